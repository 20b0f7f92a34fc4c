package cli

import (
	"fmt"
	"io"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/environ"
	"github.com/pgkeyless/pgkeyless/internal/running"
	"github.com/pgkeyless/pgkeyless/internal/shell"
)

func (a *app) envCommand() *cobra.Command {
	name := "sh"
	if runtime.GOOS == "windows" {
		name = "powershell"
	}
	cmd := &cobra.Command{
		Use:   "env TARGET",
		Short: "Print the variables that point clients to a target",
		Long: `Print shell commands that set PGHOST, PGPORT, PGUSER, PGDATABASE, DATABASE_URL
and PGSSLROOTCERT for TARGET, and NODE_EXTRA_CA_CERTS unless it is already set.
They unset variables that would point clients elsewhere.

If a running pgkeyless serves the target, the commands name its port, and you
do not need to repeat --via. Otherwise they name the port that the same options
would use, and a warning says so.

  eval "$(pgkeyless env orders)"
  pgkeyless env orders --shell fish | source`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.completeTarget,
		RunE: func(_ *cobra.Command, args []string) error {
			write, ok := shell.Dialects[name]
			if !ok {
				return causes.Misuse(fmt.Sprintf("unknown shell %q", name), "name one of sh (bash and zsh are alike), fish, powershell")
			}
			t, _, err := a.loadServed(args)
			if err != nil {
				return err
			}
			p, served, err := running.PlaceOf(t, true)
			if err != nil {
				return err
			}
			if !served {
				a.warnUnserved(t)
				p.CA = ownCA()
			}
			return printEnvironment(a.screen(), write, a.environ, p)
		},
	}
	a.addFlags(cmd, forListening)
	cmd.Flags().StringVar(&name, "shell", name, "sh, fish or powershell")
	_ = cmd.RegisterFlagCompletionFunc("shell", cobra.FixedCompletions([]cobra.Completion{"sh", "fish", "powershell"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// forListening picks the options that say what is served and where.
func forListening(o config.Option) bool {
	return o.PerTarget() || forOneProgram(o) || o.Name == "shared-port" || o.Name == "default-target"
}

// warnUnserved says that nothing leads to t yet, and what its address leads to
// now.
func (a *app) warnUnserved(t config.Target) {
	yet := ""
	if s, ok := running.ServedAt(t.Addresses()[0], t.Port); ok && !t.NoTCP {
		yet = fmt.Sprintf("; %s is %q now", s.Address, s.Name)
	}
	fmt.Fprintf(a.stderr, "pgkeyless: warning: no running pgkeyless serves %q with these options yet%s\n", t.Name, yet)
}

// printEnvironment writes what makes a client of p out of a shell in env.
func printEnvironment(w io.Writer, dialect shell.Dialect, env []string, p running.Place) error {
	var lines []string
	set := map[string]bool{}
	for _, v := range p.Variables(env) {
		set[v.Name] = true
		lines = append(lines, dialect.Set(v.Name, v.Value))
	}
	for _, name := range p.Misleading() {
		if !set[name] && environ.LookUp(env, name) != "" {
			lines = append(lines, dialect.Unset(name))
		}
	}
	_, err := fmt.Fprintln(w, strings.Join(lines, "\n"))
	return err
}
