package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// printTable writes reports as Markdown: libraries in a matrix of their common
// checks, PostgreSQL's own programs in a list, then what could not be done and
// why.
func printTable(out io.Writer, reports []*report) {
	names := []string{"client", "version"}
	for _, k := range driverChecks {
		names = append(names, k.Name)
	}
	rows(out, append(names, "more", "tunnel", "RDS Proxy"), func(row func(...string)) {
		for _, p := range reports {
			if p.Client.Checks != nil || again(reports, p) {
				continue
			}
			cells := []string{p.Client.Title, p.Version}
			for _, k := range driverChecks {
				cells = append(cells, p.mark(k.Name))
			}
			row(append(cells, p.marks(p.Client.Extra), outcomeBy(reports, p.Client, tunnelled), outcomeBy(reports, p.Client, rdsProxy))...)
		}
	})
	fmt.Fprintln(out)
	rows(out, []string{"program", "version", "checks", "tunnel", "RDS Proxy"}, func(row func(...string)) {
		for _, p := range reports {
			if p.Client.Checks == nil || again(reports, p) {
				continue
			}
			row(p.Client.Title, p.Version, p.marks(p.Client.checks()), outcomeBy(reports, p.Client, tunnelled), outcomeBy(reports, p.Client, rdsProxy))
		}
	})
	fmt.Fprintln(out)
	for _, p := range reports {
		if again(reports, p) {
			continue
		}
		for _, k := range p.Client.checks() {
			if o := p.Outcomes[k.Name]; o.State == unavailable {
				fmt.Fprintf(out, "- %s, %s: %s.\n", p.Client.Title, k.Name, o.Why)
			}
		}
	}
	fmt.Fprintln(out)
}

// rows prints a table with a head.
func rows(out io.Writer, head []string, fill func(row func(...string))) {
	row := func(cells ...string) { fmt.Fprintf(out, "| %s |\n", strings.Join(cells, " | ")) }
	row(head...)
	fmt.Fprintln(out, "|"+strings.Repeat("---|", len(head)))
	fill(row)
}

// mark is how a check ended, in a word at most.
func (p *report) mark(name string) string {
	return map[state]string{ok: "✓", failed: "**failed**", missing: "**missing**", unavailable: "–"}[p.Outcomes[name].State]
}

// marks names checks with their marks.
func (p *report) marks(checks []check) string {
	var did []string
	for _, k := range checks {
		did = append(did, k.Name+" "+p.mark(k.Name))
	}
	return strings.Join(did, ", ")
}

// again says that p is of a client that has a row for another way already.
func again(reports []*report, p *report) bool {
	return p.Way == rdsProxy || p.Way == tunnelled && find(reports, p.Client, directly) != nil
}

// find is the report of c's run that way, or nil.
func find(reports []*report, c client, w way) *report {
	i := slices.IndexFunc(reports, func(p *report) bool { return p.Client.Name == c.Name && p.Way == w })
	if i < 0 {
		return nil
	}
	return reports[i]
}

// outcomeBy says how c's run that way ended, if there was one.
func outcomeBy(reports []*report, c client, w way) string {
	p := find(reports, c, w)
	switch {
	case p == nil:
		return ""
	case len(p.failures()) == 0:
		return "✓"
	}
	return "**failed**"
}

// What docs/clients.md keeps the table between.
const (
	beginTable = "<!-- made by scripts/test-clients --write -->"
	endTable   = "<!-- end -->"
)

// writeTable puts the table into the page at path.
func writeTable(path string, reports []*report) error {
	page, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, begins := strings.Cut(string(page), beginTable+"\n")
	_, after, ends := strings.Cut(rest, endTable)
	if !begins || !ends {
		return fmt.Errorf("%s has no lines %q and %q", path, beginTable, endTable)
	}
	var b strings.Builder
	rows(&b, []string{"check", "what the library did"}, func(row func(...string)) {
		for _, k := range slices.Concat(driverChecks, verifyCheck, pipelineCheck, searchPathCheck) {
			row(k.Name, k.Means)
		}
	})
	fmt.Fprintln(&b)
	printTable(&b, reports)
	return os.WriteFile(path, []byte(before+beginTable+"\n\n"+b.String()+endTable+after), 0o644)
}
