package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// state is how a check ended. The zero value: the program said nothing of it.
type state int

const (
	missing state = iota
	ok
	failed
	unavailable // the client's API cannot do it
)

// outcome is a check's state, and why if it isn't ok.
type outcome struct {
	State state
	Why   string
}

// report is what one run of a client has shown.
type report struct {
	Client   client
	Way      way
	Version  string
	Outcomes map[string]outcome
	Err      error  // it could not be built or run, or broke the rules
	Output   string // what it printed beside its lines, for a failure
}

// read takes the lines of the client's program until r ends. Other lines are
// some library's own and are kept in Output.
func (p *report) read(r io.Reader) error {
	p.Outcomes = make(map[string]outcome)
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		word, rest, _ := strings.Cut(lines.Text(), " ")
		name, why, explained := strings.Cut(rest, ": ")
		var o outcome
		switch word {
		case "version":
			p.Version = rest
			continue
		case "ok":
			o = outcome{State: ok}
		case "fail":
			o = outcome{failed, why}
		case "n/a":
			o = outcome{unavailable, why}
		default:
			p.Output += lines.Text() + "\n"
			continue
		}
		if _, again := p.Outcomes[name]; again || !p.Client.has(name) || explained != (o.State != ok) {
			return fmt.Errorf("the program printed %q: not one of its checks, said twice, or without a reason", lines.Text())
		}
		p.Outcomes[name] = o
	}
	return lines.Err()
}

// failures says what is wrong, a line each; none means that the client is green.
func (p *report) failures() []string {
	var wrong []string
	for _, k := range p.Client.checks() {
		switch o := p.Outcomes[k.Name]; o.State {
		case missing:
			wrong = append(wrong, k.Name+": the program did not come to it")
		case failed:
			wrong = append(wrong, k.Name+": "+o.Why)
		}
	}
	if p.Version == "" {
		wrong = append(wrong, "the program did not tell the client's version")
	}
	if p.Err != nil {
		wrong = append(wrong, p.Err.Error())
	}
	return wrong
}
