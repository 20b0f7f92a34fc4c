package config

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
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
		p.wrong(line, "not YAML: %s", printable(what)).hinted("check the indentation (spaces, no tabs), and put values with : or # into quotes")
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
		if o := Canonical(name); o != "" && kind != targetsKind {
			name = o
		}
		if line, twice := first[name]; twice {
			p.wrong(key.Line, "%q is given twice, first in line %d", key.Value, line).hinted("leave out one of them")
			continue
		}
		first[name] = key.Line
		each(key.Value, key, n.Content[i+1])
	}
}

func (p *parser) alias(n *yaml.Node) {
	p.wrong(n.Line, "anchors and aliases (& and *) are not read here").hinted("put what targets share under defaults:")
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

// process reads an option of the whole process.
func (p *parser) process(key string, at, value *yaml.Node) {
	o, known := find(key)
	switch {
	case known && o.Name == "config-file":
		p.wrong(at.Line, "a config file cannot name another").hinted("leave it out; --config-file FILE names one")
	case known && o.NamesTarget():
		p.wrong(at.Line, "%s is for the command line", o.Name).hinted("name targets under targets:")
	case known && o.PerTarget():
		p.wrong(at.Line, "%s is an option of targets", o.Name).hinted("put it under defaults:, for all targets, or under one of targets:")
	case known:
		if text, ok := p.scalar(o, value); ok {
			p.keep(p.file.run, o, text, value.Line, false, func() error { return o.run(&Run{}, text) })
		}
	default:
		p.unknown(at, key, func(o Option) bool { return o.run != nil && o.Name != "config-file" }, "targets", "defaults")
	}
}

// option reads an option of a target into l.
func (p *parser) option(l layer, kind, key string, at, value *yaml.Node) {
	o, known := find(key)
	switch {
	case known && o.PerTarget():
		if text, ok := p.scalar(o, value); ok {
			scratch := defaults()
			p.keep(l, o, text, value.Line, kind == "defaults", func() error { return o.target(&scratch, text) })
		}
	case known && o.run != nil && o.Name != "config-file":
		p.wrong(at.Line, "option %s is for the whole process", o.Name).hinted("put it at the left margin, outside of targets: and defaults:")
	default:
		var more []string
		if kind == targetsKind {
			more = []string{"database"}
		}
		p.unknown(at, key, Option.PerTarget, more...)
	}
}

// keep notes a value that check has passed, and that such a file may set.
func (p *parser) keep(l layer, o Option, text string, line int, shared bool, check func() error) {
	at := p.file.at(line)
	if err := o.placed(check(), at+": "+o.Name); err != nil {
		p.errs = append(p.errs, err)
		return
	}
	if p.found && !mayBeFound(o.Name, text) {
		p.wrong(line, "%s: a config file that is found in a project directory may not set this", o.Name).hinted(
			"set it by a flag or in your own config file; or name this file, if you trust it, with --config-file %s", p.file.path)
		return
	}
	if o.path && text != SocketNone && text != "off" && !filepath.IsAbs(text) {
		text = filepath.Join(filepath.Dir(p.file.path), text)
	}
	l[o.Name] = setting{text, Origin{FromFile, at, at + ": " + o.Name}, shared}
}

// scalar is the text of a value that is one word.
func (p *parser) scalar(o Option, n *yaml.Node) (text string, ok bool) {
	switch {
	case n.Kind == yaml.AliasNode:
		p.alias(n)
	case n.Kind != yaml.ScalarNode:
		p.wrong(n.Line, "%s takes one value, not a list", o.Name).hinted("%s: %s", o.Name, o.Usage)
	case isNull(n):
		p.wrong(n.Line, "%s has no value", o.Name).hinted("%s: %s", o.Name, o.Usage)
	default:
		return n.Value, true
	}
	return "", false
}

// unknown refuses a key where the options that fit and more are expected.
func (p *parser) unknown(at *yaml.Node, key string, fit func(Option) bool, more ...string) {
	e := p.wrong(at.Line, "unknown key %q", printable(key))
	meant := nearest(key, more)
	if o, ok := find(Suggest(key)); meant == "" && ok && fit(o) {
		meant = o.Name
	}
	if meant != "" {
		e.hinted("did you mean %s?", meant)
		return
	}
	for _, o := range All() {
		if fit(o) {
			more = append(more, o.Name)
		}
	}
	e.hinted("the keys here are %s", strings.Join(more, ", "))
}

// target reads one entry of targets.
func (p *parser) target(name string, at, value *yaml.Node) {
	if !validName(name) {
		p.wrong(at.Line, "%q is not a name for a target", printable(name)).hinted(
			"use letters, digits, hyphens and underscores, %d at most; the database's own name goes under it as database:", maxIdentifier)
		return
	}
	if len(p.file.targets) == maxTargets {
		p.wrong(at.Line, "more than %d targets", maxTargets).hinted("divide the file, and name one with --config-file")
		return
	}
	if s, ok := p.file.target(name); ok {
		p.wrong(at.Line, "target %q differs from %q in line %d by its case alone", name, s.named.Name, s.line).hinted("rename one of them")
		return
	}
	s := section{values: layer{}, line: at.Line}
	database, line := name, at.Line
	if !isNull(value) {
		p.pairs(value, "target "+strconv.Quote(name), func(key string, at, value *yaml.Node) {
			if key == "database" {
				if text, ok := p.scalar(Option{Name: key, Usage: nameForm}, value); ok {
					database, line = text, value.Line
				}
				return
			}
			p.option(s.values, targetsKind, key, at, value)
		})
		p.exclusive(s.values)
	}
	s.named = p.database(name, database, line)
	p.file.targets = append(p.file.targets, s)
}

// database is what a target's key of that name, or else its own name, stands
// for.
func (p *parser) database(name, database string, line int) Target {
	if strings.Contains(database, "?") {
		p.wrong(line, "database: options do not follow a question mark here").hinted("write them as keys of the target")
		return Target{Name: name}
	}
	t, err := parseName(database)
	if err != nil {
		e, _ := errors.AsType[*Error](err)
		if database == name {
			e = problem("target %q has no database, and its name is no identifier", name).hinted("add database: with an identifier, an ARN or an endpoint")
		}
		e.Source = p.file.at(line)
		p.errs = append(p.errs, e)
	}
	t.Name, t.named = name, true
	return t
}

// exclusive refuses via beside dial in one mapping.
func (p *parser) exclusive(l layer) {
	if err := l.exclusive(); err != nil {
		p.errs = append(p.errs, err)
	}
}

// clashes refuses options that contradict each other, and targets that name the
// same port.
func (p *parser) clashes() {
	var targets []Target
	for _, s := range p.file.targets {
		t := s.named
		if err := t.resolve(s.values, p.file.defaults); err != nil {
			p.errs = append(p.errs, err)
			continue
		}
		if !t.portGiven {
			continue
		}
		for _, other := range targets {
			if len(p.errs) == maxProblems {
				return
			}
			err := collide(other, t)
			if e, ok := errors.AsType[*Error](err); ok {
				e.Source = t.settings["port"].origin.Place
				p.errs = append(p.errs, e.hinted("give one of them another port, or leave it out to have one counted"))
			}
		}
		targets = append(targets, t)
	}
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// targetName keeps names apart from host names (no dot), from what stands
// before and after them (@, ?) and fit for a DNS label.
var targetName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?$`)

func validName(name string) bool { return len(name) <= maxIdentifier && targetName.MatchString(name) }

func sameName(a, b string) bool { return strings.EqualFold(a, b) }

// printable makes foreign text fit for one line of an error.
func printable(s string) string {
	const most = 80
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\ufffd' {
			return ' '
		}
		return r
	}, s)
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
