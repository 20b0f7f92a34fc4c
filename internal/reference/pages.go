package reference

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pgkeyless/pgkeyless/internal/cli"
	"github.com/pgkeyless/pgkeyless/internal/config"
)

// written opens each page.
const written = "<!-- written by go generate ./internal/reference -->\n\n"

// Pages returns the text of each page by its name under docs/reference.
func Pages() map[string]string {
	root := cli.Tree()
	pages := map[string]string{
		"commands.md":    commandsPage(root),
		"options.md":     optionsPage(config.All()),
		"config-file.md": configFilePage(config.All()),
		"environment.md": environmentPage(config.All()),
		"exit-codes.md":  exitCodesPage(root),
	}
	for name, text := range pages {
		pages[name] = written + text
	}
	return pages
}

// table writes a Markdown table with a row for each of rows.
func table(b *strings.Builder, header []string, rows [][]string) {
	b.WriteString("| " + strings.Join(header, " | ") + " |\n|" + strings.Repeat("---|", len(header)) + "\n")
	for _, row := range rows {
		for i, cell := range row {
			row[i] = strings.ReplaceAll(cell, "|", "\\|")
		}
		b.WriteString("| " + strings.Join(row, " | ") + " |\n")
	}
}

// code is text as code, or nothing.
func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}

// sentence is a text of a help message as a sentence of a page. A value that it
// begins with, and explains after a colon, stays as it is typed.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	if first, _, _ := strings.Cut(text, " "); strings.HasSuffix(first, ":") {
		return text + "."
	}
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

// walk calls visit for each command that users see, parents first.
func walk(c *cobra.Command, visit func(*cobra.Command)) {
	visit(c)
	for _, child := range c.Commands() {
		if !child.Hidden && child.Name() != "help" {
			walk(child, visit)
		}
	}
}

// blocks puts the indented parts of a help text into fences, and returns the
// lines as they are otherwise.
func blocks(long string) string {
	var b strings.Builder
	fenced := false
	for line := range strings.Lines(long + "\n") {
		indented := strings.HasPrefix(line, "  ")
		if indented != fenced && strings.TrimSpace(line) != "" {
			if fenced {
				b.WriteString("```\n\n")
			} else {
				b.WriteString("\n```\n")
			}
			fenced = indented
		}
		if fenced && strings.TrimSpace(line) == "" {
			continue
		}
		b.WriteString(strings.TrimPrefix(line, "  "))
	}
	if fenced {
		b.WriteString("```\n")
	}
	text := strings.TrimSpace(b.String())
	for strings.Contains(text, "\n\n\n") {
		text = strings.ReplaceAll(text, "\n\n\n", "\n\n")
	}
	return text
}

func anchor(c *cobra.Command) string {
	return fmt.Sprintf("#%s", strings.ReplaceAll(c.CommandPath(), " ", "-"))
}
