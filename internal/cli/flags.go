package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/config"
)

// addFlags gives cmd a flag for each option that wanted picks.
func (a *app) addFlags(cmd *cobra.Command, wanted func(config.Option) bool) {
	fs := cmd.Flags()
	fs.SortFlags = false
	for _, o := range config.All() {
		if !wanted(o) {
			continue
		}
		usage := o.Usage
		if o.Default != "" {
			usage += " (default " + o.Default + ")"
		}
		for _, alias := range o.Aliases {
			usage += ", also --" + alias
		}
		f := fs.VarPF(&flagValue{option: o, given: a.flags}, o.Name, o.Short, usage)
		if o.Switch() {
			f.NoOptDefVal = "true"
		}
		if complete := completeOption(o); complete != nil {
			// The name is right, so registering cannot go wrong.
			_ = cmd.RegisterFlagCompletionFunc(o.Name, complete)
		}
	}
}

// flagValue notes that a flag was given; config checks the value.
type flagValue struct {
	option config.Option
	given  map[string]string
}

func (v *flagValue) Set(s string) error {
	if _, twice := v.given[v.option.Name]; twice {
		return causes.Misuse("--"+v.option.Name+" is given twice", "leave out one of them; options for one target go into its query string: 'HOST?"+v.option.Name+"=…'")
	}
	v.given[v.option.Name] = s
	return nil
}

func (v *flagValue) String() string { return "" }

func (v *flagValue) Type() string {
	if v.option.Switch() {
		return "bool"
	}
	return v.option.Value
}

// canonicalFlag lets aliases mean the option's own name.
func canonicalFlag(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	if c := config.Canonical(name); c != "" {
		return pflag.NormalizedName(c)
	}
	return pflag.NormalizedName(name)
}

// unparsed says that the flags are not all known, --structured-logs among them.
type unparsed struct{ error }

func (u *unparsed) Unwrap() error { return u.error }

// flagError puts what the flag parser found into our words.
func flagError(cmd *cobra.Command, err error) error {
	help := fmt.Sprintf("`%s --help` lists the flags", cmd.CommandPath())
	if e, ok := errors.AsType[*causes.Error](err); ok {
		return &unparsed{e}
	}
	if e, ok := errors.AsType[*pflag.NotExistError](err); ok {
		return &unparsed{unknownFlag(cmd, e, help)}
	}
	if e, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		return &unparsed{causes.Misuse("flag "+dashed(e.GetSpecifiedName())+" needs a value", e.GetFlag().Usage)}
	}
	return &unparsed{causes.Misuse(err.Error(), help)}
}

func unknownFlag(cmd *cobra.Command, e *pflag.NotExistError, help string) error {
	name := e.GetSpecifiedName()
	switch cmd.Name() {
	case "connect":
		help += "; put psql's own flags after two dashes: pgkeyless connect TARGET -- " + dashed(name)
	case "exec":
		help += "; put the command after two dashes: pgkeyless exec TARGET -- COMMAND"
	}
	if meant := config.Suggest(name); len(name) > 1 && meant != "" && cmd.Flags().Lookup(meant) != nil {
		help = "did you mean --" + meant + "?"
	}
	return causes.Misuse("unknown flag "+dashed(name), help)
}

func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + strings.TrimLeft(name, "-")
}
