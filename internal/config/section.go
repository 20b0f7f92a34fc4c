package config

import (
	"errors"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// target reads one entry of targets.
func (p *parser) target(name string, at, value *yaml.Node) {
	if !validName(name) {
		p.wrong(at.Line, "%q is not a name for a target", name).hinted(
			"use letters, digits, hyphens and underscores, %d at most; the database's own name goes under it as database:", maxIdentifier)
		return
	}
	if len(p.file.targets) == maxTargets {
		p.wrong(at.Line, "more than %d targets", maxTargets).hinted("split the file, and name one part with --config-file")
		return
	}
	if s, ok := p.file.target(name); ok {
		p.wrong(at.Line, "target %q differs from %q in line %d by case only", name, s.named.Name, s.line).hinted("rename one of them")
		return
	}
	if value.Kind == yaml.ScalarNode && !isNull(value) && (name == "database" || Canonical(name) != "") {
		p.wrong(at.Line, "%q is an option, where targets are named", name).hinted("indent it below its target")
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
		if !t.ownNumber() {
			continue
		}
		for _, other := range targets {
			if len(p.errs) == maxProblems {
				return
			}
			err := collide(other, t)
			if e, ok := errors.AsType[*Error](err); ok {
				e.Source = t.settings["port"].origin.Place
				p.errs = append(p.errs, e.hinted("give one of them another port, or leave it out, and pgkeyless picks one"))
			}
		}
		targets = append(targets, t)
	}
}

// targetName keeps names apart from host names (no dot), from what stands
// before and after them (@, ?) and fit for a DNS label.
var targetName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?$`)

func validName(name string) bool { return len(name) <= maxIdentifier && targetName.MatchString(name) }

func sameName(a, b string) bool { return strings.EqualFold(a, b) }
