// Command testreport reads what `go test -json` prints and writes it for people:
// one line for a package, everything for a test that failed and its own words once
// more at the end, the reason for one that was skipped, and a last line "N passed, N failed, N skipped".
//
// It exits with 1 when a test failed or was skipped, or when none ran: a skip
// names what is missing, and a green run must not hide it.
//
// With -repeatable FILE and -below PACKAGES it also writes which failed tests may be run again,
// alone: one or two tests of packages below that path, if nothing crashed, raced or was skipped.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
)

func main() {
	repeatable := flag.String("repeatable", "", "write the tests that may be run again to `file`")
	below := flag.String("below", "", "only tests of packages below `path` may be run again")
	flag.Parse()
	var r report
	err := r.read(os.Stdin, os.Stdout)
	if err == nil && *repeatable != "" {
		err = os.WriteFile(*repeatable, []byte(patterns(r.repeatable(*below))), 0o600)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "testreport: error:", err)
		os.Exit(1)
	}
	if !r.good() {
		os.Exit(1)
	}
}

// event is a line of `go test -json`: see `go doc test2json`.
type event struct {
	Action, Package, Test, ImportPath, Output string
}

// report counts tests and subtests alike. Its zero value is ready.
type report struct {
	passed, failed, skipped int
	skips                   []string
	failures                []failure                    // the tests of failed, in their order
	crashed                 bool                         // a package failed otherwise than by a test that ended
	broken                  map[string]bool              // packages with a failed test
	open                    map[string]map[string]string // package → test → its output so far; "" is the package itself
}

func (r *report) good() bool { return r.passed > 0 && r.failed == 0 && r.skipped == 0 }

// read copies events from in to out until in ends, then adds the skips and the
// last line.
func (r *report) read(in io.Reader, out io.Writer) error {
	r.open = make(map[string]map[string]string)
	r.broken = make(map[string]bool)
	lines := bufio.NewReader(in) // no limit: a line may be long
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			var e event
			if json.Unmarshal([]byte(line), &e) != nil {
				fmt.Fprint(out, line) // the go command's own words
			} else {
				fmt.Fprint(out, r.take(e))
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("reading test events: %w", err)
		}
	}
	for _, skip := range r.skips {
		fmt.Fprintln(out, "SKIP", skip)
	}
	_, err := fmt.Fprintf(out, "%d passed, %d failed, %d skipped\n", r.passed, r.failed, r.skipped)
	return err
}

// take notes e and returns what there is to print for it.
func (r *report) take(e event) string {
	tests := r.open[e.Package]
	if tests == nil {
		tests = make(map[string]string)
		r.open[e.Package] = tests
	}
	if e.Action == "build-output" {
		return e.Output
	}
	if e.Action == "output" {
		tests[e.Test] += e.Output
		return ""
	}
	output := tests[e.Test]
	if e.Action == "pass" || e.Action == "fail" || e.Action == "skip" {
		delete(tests, e.Test)
	}
	if e.Test == "" {
		return r.takePackage(e, output, tests)
	}
	switch e.Action {
	case "pass":
		r.passed++
	case "fail":
		r.fail(e.Package)
		r.failures = append(r.failures, failure{e.Package, e.Test, output})
		return output + again(e, output)
	case "skip":
		r.skipped++
		r.skips = append(r.skips, e.Package+"."+e.Test+": "+reason(output))
	}
	return ""
}

const (
	longOutput = 50  // lines, behind which the reason for a failure is lost
	longLine   = 500 // bytes
)

// testLine is how a line begins that a test wrote itself, by t.Error and the like.
var testLine = regexp.MustCompile(`^ +[\w-]+\.go:\d+: `)

// again repeats what the test itself said, without the logs of what it tested, when
// those are long.
func again(e event, output string) string {
	if strings.Count(output, "\n") <= longOutput {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Once more, what %s.%s said itself:\n", e.Package, e.Test)
	for line := range strings.Lines(output) {
		if !testLine.MatchString(line) {
			continue
		}
		if len(line) > longLine {
			line = strings.ToValidUTF8(line[:longLine], "") + "…\n"
		}
		b.WriteString(line)
	}
	return b.String()
}

func (r *report) fail(pkg string) {
	r.failed++
	r.broken[pkg] = true
}

// takePackage ends a package. Tests that are still open then have crashed.
func (r *report) takePackage(e event, output string, tests map[string]string) string {
	switch e.Action {
	case "pass", "skip": // skip: it has no test files
		return summary(output)
	case "fail":
		var b strings.Builder
		for _, name := range slices.Sorted(maps.Keys(tests)) {
			r.crashed = true
			r.fail(e.Package)
			b.WriteString(tests[name])
		}
		clear(tests)
		if !r.broken[e.Package] {
			r.crashed = true
			r.fail(e.Package) // it didn't build, or TestMain failed
		}
		r.crashed = r.crashed || crash.MatchString(output)
		return b.String() + output
	}
	return ""
}

// summary is a good package's one line.
func summary(output string) string {
	for line := range strings.Lines(output) {
		if strings.HasPrefix(line, "ok ") || strings.HasPrefix(line, "? ") {
			return line
		}
	}
	return ""
}

// reason is what a skipped test said.
func reason(output string) string {
	var words []string
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "=== ") && !strings.HasPrefix(line, "--- ") {
			words = append(words, line)
		}
	}
	return strings.Join(words, " ")
}
