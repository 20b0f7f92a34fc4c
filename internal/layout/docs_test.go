package layout

import (
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/config"
)

// TestArchitectureNamesEveryPackage holds the page's tables to the packages there
// are. A package beneath another one may be told with that.
func TestArchitectureNamesEveryPackage(t *testing.T) {
	page := read(t, "../../docs/architecture.md")
	for _, p := range append(listPackages(t, "../.."), listPackages(t, "../../integration")...) {
		name := strings.TrimPrefix(p.ImportPath, module+"/")
		above := path.Dir(name)
		if !strings.Contains(page, "`"+name+"`") && (slices.Contains([]string{".", "internal", "integration"}, above) || !strings.Contains(page, "`"+above+"`")) {
			t.Errorf("docs/architecture.md does not say what %s is for", name)
		}
	}
}

// TestTroubleshootingHasTheTable holds the page to the table in code: every row
// is there, and nothing else between the marks.
func TestTroubleshootingHasTheTable(t *testing.T) {
	_, rest, begins := strings.Cut(read(t, "../../docs/troubleshooting.md"), causes.MarkdownBegin)
	table, _, ends := strings.Cut(rest, causes.MarkdownEnd)
	if !begins || !ends {
		t.Fatal("the marks are missing")
	}
	if table != causes.Markdown() {
		t.Error("the table is not that of package causes: run `go generate ./internal/causes`")
	}
}

// TestClientsPageListsEveryClient holds the generated tables to the clients that
// scripts/test-clients runs.
func TestClientsPageListsEveryClient(t *testing.T) {
	listed := make(map[string]bool)
	_, tables, _ := strings.Cut(read(t, "../../docs/clients.md"), "<!-- made by scripts/test-clients --write -->")
	tables, _, _ = strings.Cut(tables, "<!-- end -->")
	for _, row := range regexp.MustCompile(`(?m)^\| (.+?) \| .*✓`).FindAllStringSubmatch(tables, -1) {
		listed[row[1]] = true
	}
	clients := regexp.MustCompile(`Title: "([^"]+)"`).FindAllStringSubmatch(read(t, "../../integration/conformance/clients/table.go"), -1)
	if len(clients) < 18 {
		t.Errorf("%d clients, want 18 at least", len(clients))
	}
	for _, client := range clients {
		if !listed[client[1]] {
			t.Errorf("docs/clients.md lacks %s: run scripts/test-clients --write", client[1])
		}
		delete(listed, client[1])
	}
	for title := range listed {
		t.Errorf("docs/clients.md has %s, which scripts/test-clients does not run", title)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestExampleFileSaysWhatOptionsMean holds its comments to the options table, which
// is the home of what an option means.
func TestExampleFileSaysWhatOptionsMean(t *testing.T) {
	example, _, _ := strings.Cut(read(t, "../../docs/pgkeyless.example.yaml"), "\nusers:\n")
	lines := regexp.MustCompile(`(?m)^ *([a-z-]+): [^\n]*?\s# (.*?)(?: \(\*\))?$`).FindAllStringSubmatch(example, -1)
	for _, o := range config.All() {
		i := slices.IndexFunc(lines, func(line []string) bool { return line[1] == o.Name })
		switch {
		case i < 0 && o.InFile():
			t.Errorf("docs/pgkeyless.example.yaml lacks %s, with a comment", o.Name)
		case i >= 0 && lines[i][2] != o.Usage:
			t.Errorf("docs/pgkeyless.example.yaml says of %s %q, and the options table %q", o.Name, lines[i][2], o.Usage)
		}
	}
}
