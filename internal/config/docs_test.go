package config

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The config files that the docs show can be read. One that calls itself
// pgkeyless.yaml is one of a project, which may set less.
func TestExamplesOfTheDocsCanBeRead(t *testing.T) {
	var pages []string
	for _, pattern := range []string{"../../docs/*.md", "../../docs/*/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	read := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
			if !strings.Contains("\n"+block[1], "\ntargets:\n") {
				continue
			}
			read++
			if _, err := parseFile("example.yaml", strings.HasPrefix(block[1], "# pgkeyless.yaml"), []byte(block[1])); err != nil {
				t.Errorf("%s: %v in\n%s", page, err, block[1])
			}
		}
	}
	if read < 3 {
		t.Errorf("%d config files in the docs: the pattern misses them", read)
	}
}
