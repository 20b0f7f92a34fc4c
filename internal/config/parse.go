package config

import (
	"bytes"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/pgkeyless/pgkeyless/internal/display"
)

const (
	// maxProblems bounds how many errors of one file are looked for and told.
	maxProblems = 10
	// maxTargets bounds the comparisons of each with each.
	maxTargets = 1000
)

// parser reads one file and collects what is wrong with it.
type parser struct {
	file  *file
	found bool // nobody named the file: see mayBeFound
	errs  []error
}

// parseFile reads a config file's text. Every value in it is checked, those
// that would lose against another too. What is wrong is an *Error, or up to
// maxProblems Errors.
func parseFile(path string, found bool, text []byte) (*file, error) {
	p := &parser{file: &file{path: path, run: layer{}, defaults: layer{}}, found: found}
	if root := p.root(text); root != nil {
		p.top(root)
	}
	if len(p.errs) == 0 {
		p.clashes()
	}
	switch n := len(p.errs); {
	case n > 1:
		return nil, Errors(p.errs)
	case n == 1:
		return nil, p.errs[0]
	}
	return p.file, nil
}

// wrong notes an error at line; its hint may be set.
func (p *parser) wrong(line int, format string, args ...any) *Error {
	e := problem(format, args...)
	e.Source = p.file.at(line)
	p.errs = append(p.errs, e)
	return e
}

// yamlError is how the YAML library tells a line.
var yamlError = regexp.MustCompile(`^yaml: line (\d+): (.*)$`)

// root is the one document's mapping, or nil for an empty file.
func (p *parser) root(text []byte) *yaml.Node {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document, second yaml.Node
	err := decoder.Decode(&document)
	switch {
	case err == io.EOF:
		return nil
	case err == nil:
		err = decoder.Decode(&second)
		if err == nil {
			p.wrong(second.Line, "a second document").hinted("leave out the line ---; a config file is one document")
			return nil
		}
	}
	if err != io.EOF {
		line, what := 1, strings.TrimPrefix(err.Error(), "yaml: ")
		if m := yamlError.FindStringSubmatch(err.Error()); m != nil {
			line, _ = strconv.Atoi(m[1])
			what = m[2]
		}
		p.wrong(line, "not YAML: %s", display.Line(what)).hinted("check the indentation (spaces, no tabs), and put values with : or # into quotes")
		return nil
	}
	root := document.Content[0]
	if isNull(root) {
		return nil
	}
	return root
}

// pairs calls each with the key and value of a mapping, in order. kind tells
// people what it is.
func (p *parser) pairs(n *yaml.Node, kind string, each func(key string, at, value *yaml.Node)) {
	if n.Kind == yaml.AliasNode {
		p.alias(n)
		return
	}
	if n.Kind != yaml.MappingNode {
		p.wrong(n.Line, "%s is not a list of keys with values", kind).hinted("write KEY: VALUE on lines of their own")
		return
	}
	first := map[string]int{}
	for i := 0; i+1 < len(n.Content) && len(p.errs) < maxProblems; i += 2 {
		key := n.Content[i]
		if key.Kind != yaml.ScalarNode {
			p.wrong(key.Line, "a key of %s is not a word", kind).hinted("write KEY: VALUE")
			continue
		}
		name := key.Value
		if o := Canonical(name); o != "" && kind != targetsKind && kind != usersKind {
			name = o
		}
		if line, twice := first[name]; twice {
			p.wrong(key.Line, "%q appears twice, first in line %d", key.Value, line).hinted("leave out one of them")
			continue
		}
		first[name] = key.Line
		each(key.Value, key, n.Content[i+1])
	}
}

func (p *parser) alias(n *yaml.Node) {
	p.wrong(n.Line, "anchors and aliases (& and *) are not supported").hinted("put what targets share under defaults:")
}

const targetsKind = "targets"

// top reads the outermost mapping.
func (p *parser) top(root *yaml.Node) {
	p.pairs(root, "the file", func(key string, at, value *yaml.Node) {
		switch key {
		case "targets":
			if !isNull(value) {
				p.pairs(value, targetsKind, p.target)
			}
		case usersKind:
			if !isNull(value) {
				p.pairs(value, usersKind, p.user)
			}
		case "defaults":
			if !isNull(value) {
				p.pairs(value, "defaults", func(key string, at, value *yaml.Node) {
					p.option(p.file.defaults, "defaults", key, at, value)
				})
				p.exclusive(p.file.defaults)
			}
		default:
			p.process(key, at, value)
		}
	})
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }
