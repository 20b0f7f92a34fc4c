package cli

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/config"
)

func (a *app) configCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Show the configuration and where each value comes from",
		Args:  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			problem := "config needs a subcommand"
			if len(args) > 0 {
				problem = fmt.Sprintf("config has no subcommand %q", args[0])
			}
			return causes.Misuse(problem, "`pgkeyless config print` shows every value, `pgkeyless config path` the file in use")
		},
	}
	cmd.AddCommand(a.configPrintCommand(), a.configPathCommand())
	return cmd
}

func (a *app) configPathCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "path",
		Short: "Print the path of the config file in use, or nothing",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			run, err := config.LoadRun(a.input(nil))
			if err != nil || run.ConfigFile == "" {
				return err
			}
			_, err = fmt.Fprintln(a.screen(), run.ConfigFile)
			return err
		},
	}
	a.addFlags(cmd, func(o config.Option) bool { return o.Name == "config-file" || o.Name == "structured-logs" })
	return cmd
}

func (a *app) configPrintCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "print [TARGET...]",
		Short: "Print every option's value and where it came from",
		Long: `Print the options of the process and of each TARGET as serve would use them:
the value, and the flag, variable or line of the config file that it came from.
Without TARGET, print the targets that serve would serve. Options that you did
not set show their default in parentheses.`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.completeTargets,
		RunE: func(_ *cobra.Command, args []string) error {
			cfg, err := config.LoadAny(a.input(args))
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(a.screen(), cfg)
			}
			return printTable(a.screen(), cfg)
		},
	}
	a.addFlags(cmd, func(config.Option) bool { return true })
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// The shape of config print --json.
type (
	printedConfig struct {
		File    string           `json:"config_file,omitempty"`
		Process []printedSetting `json:"process"`
		Targets []printedTarget  `json:"targets"`
	}
	printedTarget struct {
		Name     string           `json:"name"`
		Database string           `json:"database"`
		Options  []printedSetting `json:"options"`
	}
	printedSetting struct {
		Name   string        `json:"name"`
		Value  string        `json:"value"`
		Source config.Source `json:"source"`
		Place  string        `json:"place,omitempty"`
		// Overrides is the line of the config file that gives the target another value.
		Overrides string `json:"overrides,omitempty"`
	}
)

func printJSON(w io.Writer, cfg config.Config) error {
	out := printedConfig{File: cfg.Run.ConfigFile, Process: printed(cfg.RunSettings), Targets: []printedTarget{}}
	for _, t := range cfg.Targets {
		out.Targets = append(out.Targets, printedTarget{t.Name, cmp.Or(t.Endpoint, t.Ref), printed(t.Settings())})
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(out)
}

func printed(settings []config.Setting) []printedSetting {
	list := make([]printedSetting, len(settings))
	for i, s := range settings {
		list[i] = printedSetting{s.Name, s.Value, s.Origin.Source, s.Origin.Place, s.Overrides}
	}
	return list
}

// printTable writes aligned columns: option, value, where from.
func printTable(w io.Writer, cfg config.Config) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	rows := func(settings []config.Setting) {
		for _, s := range settings {
			value, from := s.Value, cmp.Or(s.Origin.Place, string(s.Origin.Source))
			switch {
			case from == string(config.FromDefault):
				value = "(" + cmp.Or(value, "none") + ")"
			case s.Origin.Source == config.FromTarget:
				from = "the target's query string"
			}
			if s.Overrides != "" {
				from += ", overrides " + s.Overrides
			}
			fmt.Fprintf(table, "  %s\t%s\t%s\n", s.Name, value, from)
		}
	}
	fmt.Fprintln(table, "process")
	rows(cfg.RunSettings)
	for _, t := range cfg.Targets {
		fmt.Fprintf(table, "\ntarget %s (database %s)\n", t.Name, cmp.Or(t.Endpoint, t.Ref))
		rows(t.Settings())
	}
	return table.Flush()
}
