package servicefile

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// The marker lines. A line counts as one when it begins with these words, so
// that their explanation may change.
const (
	beginMark = "# pgkeyless: begin"
	endMark   = "# pgkeyless: end"

	beginLine = beginMark + " (written by `pgkeyless service-file`; changes above the end mark are lost)"
	endLine   = endMark
)

// maxLine is the longest line that libpq reads: its buffer has 1024 bytes, for
// the newline and a NUL too.
//
// Source: parseServiceFile in PostgreSQL's fe-connect.c.
const maxLine = 1022

// Section is one service: its name and its parameters in the order written.
type Section struct {
	Name   string
	Params []Param
}

// Param is one parameter of a Section.
type Param struct{ Key, Value string }

// inTheWay is a line of the old file, counted from 1, that keeps the new one from
// being written.
func inTheWay(line int, problem, help string) error {
	return causes.Misuse(fmt.Sprintf("line %d: %s", line, problem), help)
}

// Merge returns old with sections between the markers, in place of what stood
// there; without markers they go to the end. No sections leave no markers. What
// is outside of them stays as it is.
//
// It is a causes.Misuse when old has half a pair of markers or more than one, when a
// name stands outside of them already, which libpq would find first or instead,
// and when libpq could not read a section back.
func Merge(old []byte, sections []Section) ([]byte, error) {
	before, after, err := split(old)
	if err != nil {
		return nil, err
	}
	for i, s := range sections {
		if err := s.check(sections[:i]); err != nil {
			return nil, err
		}
		if err := s.free(before, 0); err != nil {
			return nil, err
		}
		if err := s.free(after, bytes.Count(old[:len(old)-len(after)], []byte("\n"))); err != nil {
			return nil, err
		}
	}
	merged := bytes.Clone(before)
	if len(sections) > 0 {
		if len(merged) > 0 && merged[len(merged)-1] != '\n' {
			merged = append(merged, '\n')
		}
		merged = append(merged, block(sections)...)
	}
	return append(merged, after...), nil
}

// split returns what is before the begin marker and what is behind the end
// marker's line.
func split(old []byte) (before, after []byte, err error) {
	begin, end, line := -1, -1, 0
	for at := 0; at < len(old); {
		next := len(old)
		if i := bytes.IndexByte(old[at:], '\n'); i >= 0 {
			next = at + i + 1
		}
		line++
		text := bytes.TrimLeft(old[at:next], " \t")
		switch {
		case bytes.HasPrefix(text, []byte(beginMark)):
			if begin >= 0 {
				return nil, nil, inTheWay(line, "a second begin mark", "leave one pair of marks, or remove all of them")
			}
			begin = at
		case bytes.HasPrefix(text, []byte(endMark)):
			if begin < 0 || end >= 0 {
				return nil, nil, inTheWay(line, "an end mark without its begin mark", "leave one pair of marks, or remove all of them")
			}
			end = next
		}
		at = next
	}
	switch {
	case begin < 0:
		return old, nil, nil
	case end < 0:
		return nil, nil, causes.Misuse("a begin mark without its end mark", fmt.Sprintf("add the line %q where the sections end, or remove them", endMark))
	}
	return old[:begin], old[end:], nil
}

func block(sections []Section) []byte {
	var b bytes.Buffer
	fmt.Fprintln(&b, beginLine)
	for _, s := range sections {
		fmt.Fprintf(&b, "[%s]\n", s.Name)
		for _, p := range s.Params {
			fmt.Fprintf(&b, "%s=%s\n", p.Key, p.Value)
		}
	}
	fmt.Fprintln(&b, endLine)
	return b.Bytes()
}

// check finds what libpq would read as something else: it takes values to the
// end of the line, without quotes, and cuts white space off.
func (s Section) check(others []Section) error {
	if s.Name == "" || len(s.Name)+2 > maxLine || strings.ContainsFunc(s.Name, func(r rune) bool { return r < ' ' || r == ']' }) {
		return causes.Misuse(fmt.Sprintf("%q cannot name a service", s.Name), "give the target another name")
	}
	for _, o := range others {
		if o.Name == s.Name {
			return causes.Misuse(fmt.Sprintf("two sections named %q", s.Name), "name each target once")
		}
	}
	for _, p := range s.Params {
		if strings.TrimSpace(p.Value) != p.Value || strings.ContainsAny(p.Value, "\r\n\x00") || len(p.Key)+1+len(p.Value) > maxLine {
			return causes.Misuse(fmt.Sprintf("service %q: libpq cannot read this value of %s from a file: %q", s.Name, p.Key, p.Value),
				"white space at its ends, line breaks and more than 1,000 bytes cannot be written")
		}
	}
	return nil
}

// free finds a section of the same name in text, whose first line is behind
// line lines.
func (s Section) free(text []byte, line int) error {
	for row := range bytes.Lines(text) {
		line++
		if bytes.HasPrefix(bytes.TrimSpace(row), []byte("["+s.Name+"]")) {
			return inTheWay(line, fmt.Sprintf("a section [%s] is there already, outside of the marks", s.Name), "rename or remove it, or give the target another name")
		}
	}
	return nil
}
