// Package shell writes words and variables for the shells that people paste them
// into.
package shell

import "strings"

// Word quotes s for a POSIX shell when it needs to be.
func Word(s string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+:,./-"
	if s != "" && !strings.HasPrefix(s, "-") && strings.Trim(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// Dialect writes one variable, or unsets one, in the words of a shell.
type Dialect struct {
	Set   func(name, value string) string
	Unset func(name string) string
}

// Dialects are those that are known, by name.
var Dialects = map[string]Dialect{
	"sh": {
		func(name, value string) string { return "export " + name + "=" + Word(value) },
		func(name string) string { return "unset " + name },
	},
	"fish": {
		func(name, value string) string { return "set -gx " + name + " " + fishWord(value) },
		func(name string) string { return "set -e " + name },
	},
	"powershell": {
		func(name, value string) string {
			return "$env:" + name + " = '" + strings.ReplaceAll(value, "'", "''") + "'"
		},
		func(name string) string { return "Remove-Item Env:" + name },
	},
}

// fishWord quotes s for fish, which knows two escapes between quotes.
func fishWord(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}
