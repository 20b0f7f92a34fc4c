package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
)

// result is how a test ended: "pass", "fail" or "skip". "run" is one that was
// begun, and whose process ended first.
type result struct {
	how  string
	said string // what it printed
}

// results are those of tests, by package and name: "host/path.TestX/part".
type results map[string]result

// event is a line of go test -json.
type event struct{ Action, Package, Test, Output string }

// temporary are directories in the names of tests, which are new ones each time.
var temporary = regexp.MustCompile(`/tmp/Test[^/]+/[0-9]+`)

// parse reads what go test -json prints.
func parse(r io.Reader) (results, error) {
	all := make(results)
	for dec := json.NewDecoder(r); ; {
		var e event
		switch err := dec.Decode(&e); {
		case err == io.EOF:
			return all, nil
		case err != nil:
			return nil, fmt.Errorf("reading what the tests printed: %w", err)
		case e.Test == "":
			continue
		}
		name := e.Package + "." + temporary.ReplaceAllString(e.Test, "TMP")
		now := all[name]
		switch e.Action {
		case "run", "pass", "fail", "skip":
			now.how = e.Action
		case "output":
			now.said += e.Output
		}
		all[name] = now
	}
}

// count is how many ended so.
func (r results) count(how string) int { return len(r.that(how)) }

// that are the tests that ended so, by name.
func (r results) that(how string) []string {
	var names []string
	for name, ended := range r {
		if ended.how == how {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// unfinished are the tests of all, functions by name, that have not been run to
// their end: a test that panics takes with it those beside and behind it.
func (r results) unfinished(all []string) []string {
	var names []string
	for _, name := range all {
		if how := r[name].how; how == "" || how == "run" {
			names = append(names, name)
		}
	}
	return names
}

// replace puts what came of the functions named, and of their parts, in the
// place of what came of them before.
func (r results) replace(functions []string, again results) {
	maps.DeleteFunc(r, func(name string, _ result) bool { return slices.Contains(functions, function(name)) })
	maps.Copy(r, again)
}

// lost are the tests that pass in direct and not in proxied, by name.
func lost(direct, proxied results) []string {
	return slices.DeleteFunc(direct.that("pass"), func(name string) bool { return proxied[name].how == "pass" })
}

// functions are the test functions that names are, or are parts of.
func functions(names []string) []string {
	tops := make(map[string]bool)
	for _, name := range names {
		tops[function(name)] = true
	}
	return slices.Sorted(maps.Keys(tops))
}

var functionName = regexp.MustCompile(`^.*?\.(Test|Fuzz|Example)[^/]*`)

// function is the name without its parts.
func function(name string) string { return functionName.FindString(name) }
