package reference

import (
	"strings"

	"github.com/pgkeyless/pgkeyless/internal/config"
)

// optionsPage has a row for each option.
func optionsPage(options []config.Option) string {
	var b strings.Builder
	b.WriteString(`# Options

Each option has one name in four places. For the option ` + "`via`" + ` they are:

| place | example |
|---|---|
| the target's query string | ` + "`pgkeyless 'orders?via=i-0123456789abcdef0'`" + ` |
| a flag, for all targets | ` + "`pgkeyless orders --via i-0123456789abcdef0`" + ` |
| an environment variable | ` + "`PGKEYLESS_VIA=i-0123456789abcdef0`" + ` |
| a key of the [config file](config-file.md) | ` + "`via: i-0123456789abcdef0`" + ` |

The query string overrides flags, flags override variables, and variables override the config file. A switch takes ` +
		"`true` or `false`" + `
in a query string, a variable or the config file. ` + "`pgkeyless config print`" + ` shows each value and where it comes from.

## Options of a target

`)
	optionTable(&b, options, config.Option.PerTarget)
	b.WriteString("\n## Targets\n\n")
	optionTable(&b, options, config.Option.NamesTarget)
	b.WriteString("\n## Options of the process\n\nThese cannot be in a query string.\n\n")
	optionTable(&b, options, func(o config.Option) bool { return !o.PerTarget() && !o.NamesTarget() })
	return b.String()
}

func optionTable(b *strings.Builder, options []config.Option, wanted func(config.Option) bool) {
	var rows [][]string
	for _, o := range options {
		if !wanted(o) {
			continue
		}
		name := code("--" + o.Name)
		if o.Value != "" {
			name = code("--" + o.Name + " " + o.Value)
		}
		if o.Short != "" {
			name += ", " + code("-"+o.Short)
		}
		for _, alias := range o.Aliases {
			name += ", " + code("--"+alias)
		}
		rows = append(rows, []string{name, strings.TrimSpace(sentence(o.Usage) + " " + o.Details), byDefault(o)})
	}
	table(b, []string{"option", "meaning", "default"}, rows)
}

// byDefault is the option's default in words.
func byDefault(o config.Option) string {
	if o.Default == "" && o.Switch() {
		return "off"
	}
	return o.Default
}
