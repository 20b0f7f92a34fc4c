// Command manpages writes the man pages in docs/man from the command tree of
// pgkeyless. `go generate ./internal/reference` runs it.
//
// It is in this module because the library that writes them is none of the
// product's.
package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"

	"github.com/pgkeyless/pgkeyless/internal/cli"
	"github.com/pgkeyless/pgkeyless/internal/config"
)

// directory is seen from integration, where go generate runs this command.
const directory = "../docs/man"

// edition is the date of all pages: one that changed by itself would make them
// stale. Raise it with a release.
var edition = time.Date(2026, time.December, 1, 0, 0, 0, 0, time.UTC)

func main() {
	if err := write(directory); err != nil {
		fmt.Fprintln(os.Stderr, "manpages:", err)
		os.Exit(1)
	}
}

func write(dir string) error {
	all, err := pages()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, text := range all {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// pages returns each page by its file name.
func pages() (map[string][]byte, error) {
	all := map[string][]byte{}
	return all, page(cli.Tree(), all)
}

// page adds the pages of c and of the commands below it.
func page(c *cobra.Command, all map[string][]byte) error {
	c.DisableAutoGenTag = true
	prepare(c)
	var text bytes.Buffer
	header := &doc.GenManHeader{Section: "1", Date: &edition, Source: "pgkeyless", Manual: "pgkeyless"}
	if err := doc.GenMan(c, header, &text); err != nil {
		return err
	}
	all[strings.ReplaceAll(c.CommandPath(), " ", "-")+".1"] = text.Bytes()
	for _, child := range c.Commands() {
		if child.Hidden || child.Name() == "help" {
			continue
		}
		if err := page(child, all); err != nil {
			return err
		}
	}
	return nil
}

// prepare makes c's texts those of a page: what is indented stays so, and the
// options that commands share stand in the page of pgkeyless alone.
func prepare(c *cobra.Command) {
	c.Long = literal(c.Long)
	if !c.HasParent() {
		return
	}
	var shared []string
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden && isOption(f) {
			shared = append(shared, "--"+f.Name)
			f.Hidden = true
		}
	})
	if len(shared) == 0 {
		return
	}
	list := "It also accepts these options of pgkeyless(1): " + strings.Join(shared, ", ") + "."
	if len(shared) == len(config.All()) {
		list = "It accepts all options of pgkeyless(1)."
	}
	if c.Long == "" {
		c.Long = c.Short + "."
	}
	c.Long += "\n\n" + list
}

// isOption reports whether f is the flag of an option, and not another one of its
// name.
func isOption(f *pflag.Flag) bool {
	return slices.ContainsFunc(config.All(), func(o config.Option) bool { return o.Name == f.Name && strings.HasPrefix(f.Usage, o.Usage) })
}

// literal has Markdown take the indented parts of a help text as they are.
func literal(long string) string {
	var out []string
	inside := false
	for _, line := range strings.Split(long, "\n") {
		indented := strings.HasPrefix(line, "  ")
		if indented && !inside && len(out) > 0 && out[len(out)-1] != "" {
			out = append(out, "")
		}
		inside = indented || inside && line == ""
		if indented {
			line = "    " + line
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}
