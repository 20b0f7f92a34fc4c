package config

import (
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

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
		p.unknown(at, key, func(o Option) bool { return o.run != nil && o.Name != "config-file" }, "targets", "defaults", usersKind)
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
	if o.path && text != SocketNone && text != "off" && text != "-" && !filepath.IsAbs(text) {
		text = filepath.Join(filepath.Dir(p.file.path), text)
	}
	l[o.Name] = setting{text: text, origin: Origin{FromFile, at, at + ": " + o.Name}, shared: shared}
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
	e := p.wrong(at.Line, "unknown key %q", key)
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
