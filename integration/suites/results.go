package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
)

// results are how tests ended ("pass", "fail" or "skip"), by package and name.
type results map[string]string

// event is a line of go test -json.
type event struct{ Action, Package, Test string }

// temporary are directories in the names of tests, which are new ones each time.
var temporary = regexp.MustCompile(`/tmp/Test[^/]+/[0-9]+`)

// parse reads what go test -json prints. Lines that are no events are what a
// build had to say.
func parse(r io.Reader) (results, error) {
	all := make(results)
	for dec := json.NewDecoder(r); ; {
		var e event
		switch err := dec.Decode(&e); {
		case err == io.EOF:
			return all, nil
		case err != nil:
			return nil, fmt.Errorf("reading what go test printed: %w", err)
		}
		switch e.Action {
		case "pass", "fail", "skip":
			if e.Test != "" {
				all[e.Package+"."+temporary.ReplaceAllString(e.Test, "TMP")] = e.Action
			}
		case "build-fail":
			return nil, errors.New("a package does not build")
		}
	}
}

// run runs the tests in dir; only, when not empty, names top-level tests.
func run(ctx context.Context, dir string, packages, env, only []string) (results, error) {
	args := []string{"test", "-json", "-count=1", "-timeout=5m"}
	if len(only) > 0 {
		args = append(args, "-run", "^("+strings.Join(only, "|")+")$")
	}
	cmd := exec.CommandContext(ctx, "go", append(args, packages...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), append([]string{"GOFLAGS=-mod=mod", "GOWORK=off"}, env...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output() // tests may fail
	all, parseErr := parse(bytes.NewReader(out))
	if parseErr != nil || len(all) == 0 {
		return nil, fmt.Errorf("running the tests: %w\n%s", errors.Join(err, parseErr), stderr.Bytes())
	}
	return all, nil
}

// count is how many ended so.
func (r results) count(how string) int {
	n := 0
	for _, ended := range r {
		if ended == how {
			n++
		}
	}
	return n
}

// failed are the tests that failed, by name.
func (r results) failed() []string {
	var names []string
	for name, how := range r {
		if how == "fail" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// lost are the tests that pass in direct and not in proxied, by name.
func lost(direct, proxied results) []string {
	var names []string
	for name, how := range direct {
		if how == "pass" && proxied[name] != "pass" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// topLevel are the tests that names are, or are parts of.
func topLevel(names []string) []string {
	tops := make(map[string]bool)
	for _, name := range names {
		tops[function(name)] = true
	}
	return slices.Sorted(maps.Keys(tops))
}

// function is the test function in a name such as "host/path.TestX/part".
func function(name string) string {
	_, test, _ := strings.Cut(name, ".Test")
	test, _, _ = strings.Cut(test, "/")
	return "Test" + test
}
