package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var two = client{Name: "x", Title: "X", Checks: []check{{Name: "connect"}, {Name: "cancel"}}}

func TestReportTakesTheProgramsLines(t *testing.T) {
	p := report{Client: two}
	if err := p.read(strings.NewReader("version 1.2 beta\nsome library's words\nok connect\nn/a cancel: no call: none\n")); err != nil {
		t.Fatal(err)
	}
	if p.Version != "1.2 beta" || p.Output != "some library's words\n" || len(p.failures()) != 0 {
		t.Errorf("version %q, output %q, failures %q", p.Version, p.Output, p.failures())
	}
	if got, want := p.Outcomes["cancel"], (outcome{unavailable, "no call: none"}); got != want {
		t.Errorf("cancel: got %v, want %v", got, want)
	}
}

func TestReportFailsWhatIsMissing(t *testing.T) {
	p := report{Client: two}
	if err := p.read(strings.NewReader("fail connect: refused\n")); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"connect: refused",
		"cancel: the program did not come to it",
		"the program did not tell the client's version",
	}
	if got := p.failures(); !slices.Equal(got, want) {
		t.Errorf("failures: got %q, want %q", got, want)
	}
}

func TestReportRefusesWhatBreaksTheRules(t *testing.T) {
	for _, lines := range []string{"ok conect\n", "ok connect\nok connect\n", "n/a cancel\n", "fail cancel\n", "ok connect: well\n"} {
		p := report{Client: two}
		if err := p.read(strings.NewReader(lines)); err == nil {
			t.Errorf("%q was taken", lines)
		}
	}
}

// TestEveryDirectoryIsAClient holds the table to the directories, which name
// their packages and have a program.
func TestEveryDirectoryIsAClient(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var dirs, names, titles []string
	for _, e := range entries {
		if e.IsDir() && e.Name() != "harness" {
			dirs = append(dirs, e.Name())
		}
	}
	for _, c := range table {
		names = append(names, c.Name)
		titles = append(titles, c.Title)
		if _, err := languageOf(c.Name); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(filepath.Join(c.Name, "packages")); err != nil {
			t.Error(err)
		}
	}
	slices.Sort(names)
	if !slices.Equal(dirs, names) {
		t.Errorf("directories %q, clients of the table %q", dirs, names)
	}
	slices.Sort(titles)
	if len(slices.Compact(titles)) != len(table) {
		t.Errorf("a title is there twice: %q", titles)
	}
}

func TestPlan(t *testing.T) {
	for _, test := range []struct {
		only            string
		tunnel          bool
		direct, tunnel2 int
		pooled          int
	}{
		{"", false, len(table), counted(func(c client) bool { return c.Tunnel }), counted(func(c client) bool { return c.RDSProxy != nil })},
		{"", true, 0, counted(func(c client) bool { return c.Tunnel }), 0},
		{"pg_isready", false, 1, 0, 0},
		{"pg_isready", true, 0, 1, 0},
		{"psql,pgbench", false, 2, 1, 1},
	} {
		direct, tunnel, pooled, err := options{only: test.only, tunnel: test.tunnel}.plan()
		if err != nil || len(direct) != test.direct || len(tunnel) != test.tunnel2 || len(pooled) != test.pooled {
			t.Errorf("--only %q, --tunnel %v: %d directly, %d through the tunnel, %d through RDS Proxy, %v; want %d, %d, %d",
				test.only, test.tunnel, len(direct), len(tunnel), len(pooled), err, test.direct, test.tunnel2, test.pooled)
		}
	}
	if _, _, _, err := (options{only: "psqll"}).plan(); err == nil {
		t.Error("a client that is not there was taken")
	}
}

// TestRDSProxyRunsChecksThatThereAre holds the lists to the clients' own checks.
func TestRDSProxyRunsChecksThatThereAre(t *testing.T) {
	for _, c := range table {
		if got := c.by(rdsProxy).checks(); c.RDSProxy != nil && len(got) != len(c.RDSProxy) {
			t.Errorf("%s: %d of the checks %q", c.Name, len(got), c.RDSProxy)
		}
	}
}

// TestPageHasEveryWay holds the last two columns of the page's tables, which come from runs
// with PostgreSQL, to the table: who runs through the tunnel, and who through RDS Proxy.
func TestPageHasEveryWay(t *testing.T) {
	page, err := os.ReadFile("../../../docs/clients.md")
	if err != nil {
		t.Fatal(err)
	}
	_, tables, _ := strings.Cut(string(page), beginTable)
	tables, _, _ = strings.Cut(tables, endTable)
	rows := map[string][]string{}
	for line := range strings.Lines(tables) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		rows[strings.TrimSpace(cells[0])] = cells
	}
	mark := map[bool]string{true: "✓"}
	for _, c := range table {
		cells := rows[c.Title]
		if len(cells) < 3 {
			t.Errorf("docs/clients.md has no row for %s: run scripts/test-clients --write", c.Title)
			continue
		}
		tunnel, pooled := strings.TrimSpace(cells[len(cells)-2]), strings.TrimSpace(cells[len(cells)-1])
		if tunnel != mark[c.Tunnel] || pooled != mark[c.RDSProxy != nil] {
			t.Errorf("%s: docs/clients.md has tunnel %q, RDS Proxy %q, and the table %q, %q: run scripts/test-clients --write",
				c.Title, tunnel, pooled, mark[c.Tunnel], mark[c.RDSProxy != nil])
		}
	}
}

func counted(which func(client) bool) (n int) {
	for _, c := range table {
		if which(c) {
			n++
		}
	}
	return n
}

func TestTableIsWrittenBetweenItsMarks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clients.md")
	if err := os.WriteFile(path, []byte("before\n"+beginTable+"\nstale row\n"+endTable+"\nafter\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := &report{Client: client{Name: "y", Title: "Y"}, Version: "7"}
	if err := p.read(strings.NewReader("ok connect\nn/a cancel: no call\n")); err != nil {
		t.Fatal(err)
	}
	if err := writeTable(path, []*report{p}); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"before\n", "| Y | 7 | ✓ | **missing** |", "- Y, cancel: no call.\n", endTable + "\nafter\n"} {
		if !strings.Contains(string(page), part) {
			t.Errorf("no %q in:\n%s", part, page)
		}
	}
	if strings.Contains(string(page), "stale row") {
		t.Errorf("the old table is still there:\n%s", page)
	}
}
