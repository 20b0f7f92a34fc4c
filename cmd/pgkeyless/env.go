package main

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"

	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/spf13/cobra"
)

func (a *app) envCommand() *cobra.Command {
	shell := "sh"
	if runtime.GOOS == "windows" {
		shell = "powershell"
	}
	cmd := &cobra.Command{
		Use:   "env TARGET",
		Short: "Print the variables that lead clients to a target",
		Long: `Print commands for a shell that set PGHOST, PGPORT, PGUSER, PGDATABASE and
DATABASE_URL for TARGET, and unset what would lead clients elsewhere. They name
the port of a pgkeyless that serves the target (--via need not be given again), or
else the one on which it will be served with the same options, and warn of that.

  eval "$(pgkeyless env orders)"
  pgkeyless env orders --shell fish | source`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(_ *cobra.Command, args []string) error {
			write, ok := shells[shell]
			if !ok {
				return &usageError{fmt.Sprintf("unknown shell %q", shell), "name one of sh (bash and zsh are alike), fish, powershell"}
			}
			t, _, err := a.loadServed(args)
			if err != nil {
				return err
			}
			p, running, err := a.placeOf(t, true)
			if err != nil {
				return err
			}
			if !running {
				a.warnUnserved(t)
			}
			return printEnvironment(a.stdout, write, a.environ, p)
		},
	}
	a.addFlags(cmd, forListening)
	cmd.Flags().StringVar(&shell, "shell", shell, "sh, fish or powershell")
	return cmd
}

// forListening picks the options that say what is served and where.
func forListening(o config.Option) bool {
	return o.PerTarget() || forOneProgram(o) || o.Name == "shared-port" || o.Name == "default-target"
}

// placeOf is where t is served by a running pgkeyless, or will be.
func (a *app) placeOf(t config.Target, overTCP bool) (p place, running bool, err error) {
	if found, ok := a.findRunning(t); ok {
		return found.place(t, overTCP), true, nil
	}
	if err := checkWay(t); err != nil {
		return place{}, false, err
	}
	if t.Port == 0 {
		return place{}, false, &usageError{fmt.Sprintf("the port of %q is chosen when it is served, and no pgkeyless of yours serves it", t.Name),
			"start it first, or give it a port of its own"}
	}
	p = place{t.Address, t.Port, t.User, t.Database}
	bySocket := !overTCP && t.UnixSocket != config.SocketNone && runtime.GOOS != "windows"
	switch {
	case bySocket && t.Shared:
		p.host, err = ownSocketDir(t)
	case bySocket:
		p.host, err = socketDir(t)
	case t.Shared:
		p = onShared(t.Name, p)
	}
	if err != nil && !errors.As(err, new(hinter)) {
		err = &usageError{fmt.Sprintf("directory for the Unix socket: %v", err), socketHint}
	}
	return p, false, err
}

// warnUnserved says that nothing leads to t yet, and what its address leads to
// now.
func (a *app) warnUnserved(t config.Target) {
	yet := ""
	if s, ok := servedAt(t); ok {
		yet = fmt.Sprintf("; %s is %q now", s.Address, s.Name)
	}
	fmt.Fprintf(a.stderr, "pgkeyless: warning: no pgkeyless of yours serves %q with these options yet%s\n", t.Name, yet)
}

// dialect writes one variable, or unsets one, in the words of a shell.
type dialect struct {
	set   func(name, value string) string
	unset func(name string) string
}

var shells = map[string]dialect{
	"sh": {
		func(name, value string) string { return "export " + name + "=" + shellWord(value) },
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

// printEnvironment writes what makes a client of p out of a shell in environ.
func printEnvironment(w io.Writer, shell dialect, environ []string, p place) error {
	var lines []string
	set := map[string]bool{}
	for _, v := range p.variables(environ) {
		set[v.name] = true
		lines = append(lines, shell.set(v.name, v.value))
	}
	for _, name := range libpqVariables {
		if !set[name] && lookUp(environ, name) != "" {
			lines = append(lines, shell.unset(name))
		}
	}
	_, err := fmt.Fprintln(w, strings.Join(lines, "\n"))
	return err
}
