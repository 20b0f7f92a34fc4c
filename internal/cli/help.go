package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/pgkeyless/pgkeyless/internal/config"
)

// helpWidth is how wide help is, in columns.
const helpWidth = 80

// optionGroups are the headings under which --help lists the options that commands share,
// and the options under each. Flags of a command alone come first.
var optionGroups = []struct {
	title   string
	options []string
}{
	{"Common options", []string{"via", "user", "dbname", "profile", "region", "port", "config-file"}},
	{"The database", []string{"secret", "endpoint", "read-only", "statement-timeout", "ready-logins", "sslnegotiation", "rds-proxy-settings", "ca-file", "rds-instance", "rds-cluster"}},
	{"The tunnel", []string{"dial", "sessions", "session-age", "warm", "keep-alive", "ssmmessages-endpoint"}},
	{"AWS credentials", []string{"mfa-command", "sso-login"}},
	{"Listeners", []string{"address", "unix-socket", "shared-port", "default-target", "max-connections", "login-timeout"}},
	{"Who may connect", []string{"allow-users", "local-password", "auth", "auth-file", "client-ca-file", "client-crl-file", "kubernetes-accounts", "kubernetes-audience",
		"kubernetes-server", "kubernetes-ca-file", "kubernetes-token-file", "kubernetes-issuer", "kubernetes-jwks-file", "tls-cert", "tls-key", "require-tls", "allow-anyone", "audit-log"}},
	{"Several replicas", []string{"peers", "forward-cancels", "proxy-protocol", "proxy-protocol-from"}},
	{"Operation", []string{"health-check", "prometheus", "prometheus-namespace", "status-page", "http-address", "http-port", "unready-when-full", "debug", "quitquitquit", "admin-port", "ready-fd",
		"min-sigterm-delay", "max-sigterm-delay", "exit-zero-on-sigterm"}},
	{"Logs", []string{"structured-logs", "debug-logs", "quiet"}},
}

// commandGroups are the headings under which --help lists the commands.
var commandGroups = []struct {
	title    string
	commands []string
}{
	{"Connect", []string{"serve", "connect", "exec", "env", "service-file", "list"}},
	{"Set up and check", []string{"init", "doctor", "policy", "config", "token", "password", "ca"}},
	{"Operate", []string{"status", "wait", "reload", "disconnect", "shutdown", "service"}},
	{"Other commands", []string{"completion", "version", "help"}},
}

// printUsage is what follows a command's description in its help.
func printUsage(cmd *cobra.Command) error {
	var b strings.Builder
	b.WriteString("Usage:\n")
	if cmd.Runnable() {
		fmt.Fprintf(&b, "  %s\n", cmd.UseLine())
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "  %s COMMAND\n", cmd.CommandPath())
		writeCommands(&b, cmd)
	}
	writeFlags(&b, cmd.LocalFlags())
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "\n`%s COMMAND --help` says more about a command.\n", cmd.CommandPath())
	}
	_, err := fmt.Fprint(cmd.OutOrStderr(), b.String())
	return err
}

// writeCommands lists the subcommands of cmd, those of the root under headings.
func writeCommands(b *strings.Builder, cmd *cobra.Command) {
	groups := commandGroups
	if cmd.HasParent() {
		var all []string
		for _, c := range cmd.Commands() {
			all = append(all, c.Name())
		}
		groups = groups[:0:0]
		groups = append(groups, struct {
			title    string
			commands []string
		}{"Commands", all})
	}
	for _, g := range groups {
		fmt.Fprintf(b, "\n%s:\n", g.title)
		for _, name := range g.commands {
			if c, _, err := cmd.Find([]string{name}); err == nil && c != cmd && c.IsAvailableCommand() || name == "help" {
				fmt.Fprintf(b, "  %-*s %s\n", cmd.NamePadding(), name, c.Short)
			}
		}
	}
}

// writeFlags lists flags: those of the command alone first, then the options.
func writeFlags(b *strings.Builder, all *pflag.FlagSet) {
	listed := map[string]bool{}
	var groups []*pflag.FlagSet
	for _, g := range optionGroups {
		fs := newFlagList()
		for _, name := range g.options {
			if f := all.Lookup(name); f != nil && isOption(f) {
				fs.AddFlag(f)
				listed[name] = true
			}
		}
		groups = append(groups, fs)
	}
	own := newFlagList()
	all.VisitAll(func(f *pflag.Flag) {
		if !listed[f.Name] {
			own.AddFlag(f)
		}
	})
	write := func(title string, fs *pflag.FlagSet) {
		if text := fs.FlagUsagesWrapped(helpWidth); text != "" {
			fmt.Fprintf(b, "\n%s:\n%s", title, text)
		}
	}
	write("Flags", own)
	for i, g := range optionGroups {
		write(g.title, groups[i])
	}
}

func newFlagList() *pflag.FlagSet {
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	fs.SortFlags = false
	return fs
}

// isOption reports whether f is an option, and not a command's own flag of its name.
func isOption(f *pflag.Flag) bool {
	_, ok := f.Value.(*flagValue)
	return ok && slices.ContainsFunc(config.All(), func(o config.Option) bool { return o.Name == f.Name })
}
