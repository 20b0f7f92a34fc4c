package cli

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/pgkeyless/pgkeyless/internal/config"
)

func TestHelpGroupsEveryOption(t *testing.T) {
	var grouped []string
	for _, g := range optionGroups {
		grouped = append(grouped, g.options...)
	}
	for _, o := range config.All() {
		if n := len(slices.DeleteFunc(slices.Clone(grouped), func(name string) bool { return name != o.Name })); n != 1 {
			t.Errorf("--help lists --%s %d times, want once: add it to optionGroups", o.Name, n)
		}
	}
	if len(grouped) != len(config.All()) {
		t.Errorf("--help groups %d options, and there are %d", len(grouped), len(config.All()))
	}
}

func TestHelpGroupsEveryCommand(t *testing.T) {
	root := newApp(new(bytes.Buffer), new(bytes.Buffer)).root()
	var grouped []string
	for _, g := range commandGroups {
		grouped = append(grouped, g.commands...)
	}
	for _, c := range root.Commands() {
		if !slices.Contains(grouped, c.Name()) {
			t.Errorf("--help does not list %s: add it to commandGroups", c.Name())
		}
	}
}

// Help fits a terminal of 80 columns, whatever the command.
func TestHelpFits(t *testing.T) {
	var walk func(*cobra.Command, func(*cobra.Command))
	walk = func(c *cobra.Command, each func(*cobra.Command)) {
		each(c)
		for _, sub := range c.Commands() {
			walk(sub, each)
		}
	}
	walk(newApp(new(bytes.Buffer), new(bytes.Buffer)).root(), func(c *cobra.Command) {
		path := strings.Fields(c.CommandPath())[1:]
		var out bytes.Buffer
		if code := newApp(&out, &out).run(t.Context(), append(path, "--help")); code != 0 {
			t.Errorf("%s --help ends with %d", c.CommandPath(), code)
		}
		for line := range strings.Lines(out.String()) {
			if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > helpWidth {
				t.Errorf("%s --help has a line of %d columns: %s", c.CommandPath(), n, line)
			}
		}
	})
}

// A command's own flags are what somebody looks for first.
func TestHelpListsOwnFlagsFirst(t *testing.T) {
	var out bytes.Buffer
	newApp(&out, &out).run(t.Context(), []string{"policy", "--help"})
	if own, shared := strings.Index(out.String(), "--check "), strings.Index(out.String(), "--via "); own < 0 || shared < own {
		t.Errorf("--check at %d, --via at %d:\n%s", own, shared, out.String())
	}
}
