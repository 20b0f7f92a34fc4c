package layout

import (
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/cli"
	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/doctor"
)

// private are the phrases of the old idiolect, which docs/style.md replaces.
var private = regexp.MustCompile(`(?i)\b(is|are|was|were|be) told\b|\btells? of\b|\bmends?\b|\bmended\b|\bgoe?s? before\b|\bstands? for\b|\bof yours\b|` +
	`\bneed not be\b|\bfail-over\b|\bmost time that\b|\bwhat is meant\b|\bof somebody else's\b|\bcome to nothing\b|\bcomes to nothing\b|\bby itself alone\b|\bhas had its\b|` +
	`\blooks whether\b|\blook whether\b|\bhave it (started|run|done)\b|\bas ever\b|\bis awaited\b|\bmakes? of it\b|\banew\b|\bwhoever\b`)

// pages are the Markdown files for people, by their paths from here.
func pages(t *testing.T) []string {
	t.Helper()
	all := []string{"../../README.md", "../../CHANGELOG.md", "../../CONTRIBUTING.md", "../../SECURITY.md", "../../deploy/helm/pgkeyless/README.md"}
	err := filepath.WalkDir("../../docs", func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".md") || strings.HasSuffix(path, ".yaml") {
			all = append(all, path)
		}
		return err
	})
	if err != nil || len(all) < 20 {
		t.Fatalf("%d pages, %v", len(all), err)
	}
	return all
}

// texts are what people read of the tables and the help, by where it is from.
func texts() map[string]string {
	all := map[string]string{}
	for _, c := range causes.All() {
		all["cause "+c.Name] = strings.Join([]string{c.Message, c.Detail, c.Hint, c.Means}, "\n")
	}
	for _, o := range config.All() {
		all["option "+o.Name] = strings.Join([]string{o.Usage, o.Details, o.Default}, "\n")
	}
	for _, s := range doctor.Stages() {
		all["stage "+s.ID] = s.What
	}
	var add func(*cobra.Command)
	add = func(c *cobra.Command) {
		text := []string{c.Short, c.Long, c.Example}
		c.Flags().VisitAll(func(f *pflag.Flag) { text = append(text, f.Usage) })
		all["help of "+c.CommandPath()] = strings.Join(text, "\n")
		for _, child := range c.Commands() {
			add(child)
		}
	}
	add(cli.Tree())
	return all
}

func TestNoPrivatePhrases(t *testing.T) {
	all := texts()
	for _, path := range pages(t) {
		if filepath.Base(path) != "style.md" { // which quotes them
			all[path] = read(t, path)
		}
	}
	for where, text := range all {
		joined := strings.Join(strings.Fields(text), " ")
		for _, at := range private.FindAllStringIndex(joined, -1) {
			t.Errorf("%s: %q in “…%s…”: docs/style.md has better words", where, joined[at[0]:at[1]], joined[max(0, at[0]-40):min(len(joined), at[1]+40)])
		}
	}
}

// longest is how many words a sentence of a page may have. Names and commands in code count
// as one word. docs/style.md asks for fewer.
const longest = 32

var (
	item     = regexp.MustCompile(`^(?:[-*]|\d+\.) `)
	linked   = regexp.MustCompile(`\]\([^)]*\)`)
	code     = regexp.MustCompile("`[^`]*`")
	sentence = regexp.MustCompile(`[.!?][*)”]*\s`)
	comment  = regexp.MustCompile(`(?s)<!--.*?-->`)
)

// paragraphs are those of a page, without code blocks, tables, headings and the definitions of
// links. An item of a list is one.
func paragraphs(page string) []string {
	var all []string
	begun := true
	for line := range strings.Lines(comment.ReplaceAllString(fenced.ReplaceAllString(page, "\n"), "\n")) {
		switch line = strings.TrimSpace(line); {
		case line == "", line[0] == '#', line[0] == '|', line[0] == '<', line[0] == '[' && strings.Contains(line, "]: "):
			begun = true
		case begun, item.MatchString(line):
			all, begun = append(all, item.ReplaceAllString(line, "")), false
		default:
			all[len(all)-1] += " " + line
		}
	}
	return all
}

func TestSentencesAreShort(t *testing.T) {
	sentences := 0
	for _, path := range pages(t) {
		if strings.HasSuffix(path, ".yaml") || strings.Contains(path, "/docs/reference/") { // of which the options' table decides
			continue
		}
		for _, text := range paragraphs(read(t, path)) {
			for _, s := range sentence.Split(code.ReplaceAllString(linked.ReplaceAllString(text, "]"), "CODE"), -1) {
				sentences++
				if n := len(strings.Fields(s)); n > longest {
					t.Errorf("%s: a sentence of %d words, want %d at most: %s", path, n, longest, s)
				}
			}
		}
	}
	if sentences < 1000 {
		t.Errorf("%d sentences: the pattern misses them", sentences)
	}
}

// heading is one of a page, a link or an image of one.
var (
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)|(?:srcset|src)="([^"]+)"`)
	fenced  = regexp.MustCompile("(?s)```.*?```")
)

// TestLinksLeadSomewhere follows the links within the project: to a file, and to a
// heading of it.
func TestLinksLeadSomewhere(t *testing.T) {
	followed := 0
	for _, path := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(fenced.ReplaceAllString(read(t, path), ""), -1) {
			u, err := url.Parse(m[1] + m[2])
			if err != nil {
				t.Errorf("%s: %v", path, err)
				continue
			}
			if u.Scheme != "" {
				continue
			}
			followed++
			to := path
			if u.Path != "" {
				to = filepath.Join(filepath.Dir(path), u.Path)
			}
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s: link to %s, which is not there", path, u)
			} else if u.Fragment != "" && !slices.Contains(anchors(read(t, to)), u.Fragment) {
				t.Errorf("%s: link to %s, which is no heading there", path, u)
			}
		}
	}
	if followed < 50 {
		t.Errorf("%d links within the project: the pattern misses them", followed)
	}
}

// anchors are those that a forge gives to a page's headings.
func anchors(page string) []string {
	var all []string
	for _, m := range heading.FindAllStringSubmatch(fenced.ReplaceAllString(page, ""), -1) {
		kept := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z':
				return r
			}
			return -1
		}, strings.ToLower(m[1]))
		all = append(all, kept)
	}
	return all
}
