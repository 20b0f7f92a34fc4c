package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// mostRepeated is how many failed tests may be repeated: more are no accident.
const mostRepeated = 2

// failure is a failed test, and what it said.
type failure struct {
	pkg, test string
	output    string
}

// crash finds failures that count even if the test passes the next time: those of a test,
// and of a program that it ran.
var crash = regexp.MustCompile(`panic: |fatal error: |WARNING: DATA RACE`)

// repeatable are the failed tests, when all of them may be repeated: they are few tests of
// packages below prefix, and nothing crashed, raced, was skipped or did not build. A test with
// failed subtests is repeated as a whole only if it said something itself.
func (r *report) repeatable(prefix string) []failure {
	if r.crashed || r.passed == 0 || r.skipped > 0 {
		return nil
	}
	var again []failure
	for _, f := range r.failures {
		if !strings.HasPrefix(f.pkg+"/", prefix+"/") || crash.MatchString(f.output) {
			return nil
		}
		below := slices.ContainsFunc(r.failures, func(g failure) bool { return g.isBelow(f) })
		within := slices.ContainsFunc(r.failures, func(g failure) bool { return f.isBelow(g) && said(g.output) })
		if below && !said(f.output) || within {
			continue
		}
		again = append(again, f)
	}
	if len(again) > mostRepeated {
		return nil
	}
	return again
}

// isBelow reports whether f is a subtest of g.
func (f failure) isBelow(g failure) bool {
	return f.pkg == g.pkg && strings.HasPrefix(f.test, g.test+"/")
}

// said reports whether a test wrote something itself.
func said(output string) bool {
	return slices.ContainsFunc(strings.Split(output, "\n"), testLine.MatchString)
}

// patterns is a line for each: the package, and the test for go test -run.
func patterns(again []failure) string {
	var b strings.Builder
	for _, f := range again {
		names := strings.Split(f.test, "/")
		for i, name := range names {
			names[i] = "^" + regexp.QuoteMeta(name) + "$"
		}
		fmt.Fprintf(&b, "%s %s\n", f.pkg, strings.Join(names, "/"))
	}
	return b.String()
}
