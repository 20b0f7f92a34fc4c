package reference

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/pgkeyless/pgkeyless/internal/config"
)

// commandsPage has a section for each command.
func commandsPage(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString("# Commands\n\nA target with the name of a command goes after `serve`: `pgkeyless serve status`.\n\n")
	var rows [][]string
	walk(root, func(c *cobra.Command) {
		rows = append(rows, []string{"[`" + c.CommandPath() + "`](" + anchor(c) + ")", sentence(c.Short)})
	})
	table(&b, []string{"command", "what it does"}, rows)
	walk(root, func(c *cobra.Command) { command(&b, c) })
	return b.String()
}

func command(b *strings.Builder, c *cobra.Command) {
	b.WriteString("\n## " + c.CommandPath() + "\n\n```\n" + usage(c) + "\n```\n\n")
	if c.Long != "" {
		b.WriteString(blocks(c.Long) + "\n")
	} else {
		b.WriteString(sentence(c.Short) + "\n")
	}
	own, shared := flags(c)
	if len(own) > 0 {
		b.WriteString("\n")
		var rows [][]string
		for _, f := range own {
			value, text := pflag.UnquoteUsage(f)
			rows = append(rows, []string{code(strings.TrimSpace("--" + f.Name + " " + value)), sentence(text)})
		}
		table(b, []string{"flag", "meaning"}, rows)
	}
	switch all := len(config.All()); {
	case len(shared) == all:
		b.WriteString("\nIt accepts all [options](options.md).\n")
	case len(shared) > 0:
		b.WriteString("\nIt also accepts these [options](options.md): " + strings.Join(shared, ", ") + ".\n")
	}
}

func usage(c *cobra.Command) string {
	if !c.HasParent() {
		return c.Use
	}
	return c.Parent().CommandPath() + " " + c.Use
}

// flags are those that c alone has, and the names of the options that it takes.
func flags(c *cobra.Command) (own []*pflag.Flag, shared []string) {
	options := config.All()
	c.Flags().VisitAll(func(f *pflag.Flag) {
		switch {
		case f.Hidden || f.Name == "help" || f.Name == "version":
		case slices.ContainsFunc(options, func(o config.Option) bool { return o.Name == f.Name && f.Usage != "" && isOption(f, o) }):
			shared = append(shared, "`--"+f.Name+"`")
		default:
			own = append(own, f)
		}
	})
	return own, shared
}

// isOption reports whether f is the flag of o, and not another one of its name.
func isOption(f *pflag.Flag, o config.Option) bool { return strings.HasPrefix(f.Usage, o.Usage) }
