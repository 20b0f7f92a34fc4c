package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/config"
)

// TestReadmeNamesEveryOption holds the README's table to the options there are.
func TestReadmeNamesEveryOption(t *testing.T) {
	readme := read(t, "../../README.md")
	documented := make(map[string]bool)
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\|").FindAllStringSubmatch(readme, -1) {
		documented[row[1]] = true
	}
	for _, option := range config.All() {
		if option.PerTarget() && !documented[option.Name] {
			t.Errorf("README's table lacks the option %s", option.Name)
		}
		if !option.PerTarget() && !strings.Contains(readme, "--"+option.Name) {
			t.Errorf("README does not name the flag --%s", option.Name)
		}
		delete(documented, option.Name)
	}
	for name := range documented {
		t.Errorf("README's table has %s, which is no option", name)
	}
}

// TestTroubleshootingQuotesRealMessages looks each quoted message of the page up
// in the source that prints it.
func TestTroubleshootingQuotesRealMessages(t *testing.T) {
	var source strings.Builder
	for _, dir := range []string{"auth", "cmd/pgkeyless", "config", "proxy", "tunnel"} {
		err := filepath.WalkDir(filepath.Join("../..", dir), func(path string, d fs.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
				source.WriteString(read(t, path))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	rows := regexp.MustCompile("(?m)^\\| `([^`]+)`.* \\| [0-9A-Z]{5} \\|").FindAllStringSubmatch(read(t, "../../docs/troubleshooting.md"), -1)
	if len(rows) < 10 {
		t.Fatalf("%d rows with a message, want 10 at least", len(rows))
	}
	databases := regexp.MustCompile(`^(PAM authentication failed|database "…")`) // PostgreSQL's own words
	for _, row := range rows {
		if words := row[1]; !databases.MatchString(words) && !strings.Contains(source.String(), words) && !madeOfParts(source.String(), words) {
			t.Errorf("nothing prints %q", words)
		}
	}
}

// madeOfParts allows for one formatted value in a message.
func madeOfParts(source, words string) bool {
	f := strings.Fields(words)
	for i := range f {
		parts := append(append(append([]string{}, f[:i]...), "%[sqdv]"), f[i+1:]...)
		if regexp.MustCompile(strings.Join(quoteAll(parts, i), " ")).MatchString(source) {
			return true
		}
	}
	return false
}

func quoteAll(words []string, but int) []string {
	for i := range words {
		if i != but {
			words[i] = regexp.QuoteMeta(words[i])
		}
	}
	return words
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
