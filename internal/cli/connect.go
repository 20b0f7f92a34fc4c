package cli

import (
	"os/exec"

	"github.com/spf13/cobra"

	"github.com/pgkeyless/pgkeyless/internal/config"
)

func (a *app) connectCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "connect TARGET [-- ARG...]",
		Short: "Run psql on a target",
		Long: `Run psql on TARGET, over a Unix socket that only you can reach and that goes
away when psql ends. Arguments after -- go to psql. If a running pgkeyless
already serves the target, psql uses it, and you do not need to repeat --via.

  pgkeyless connect orders --user app_user
  pgkeyless connect orders -- -d shop -c 'select 1'

The exit code is psql's.`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.completeTarget,
		RunE: func(cmd *cobra.Command, args []string) error {
			own, theirs := splitAtDash(cmd, args)
			return a.withProxy(cmd.Context(), own, guest{reads: "psql", command: func() (*exec.Cmd, error) {
				psql, err := findProgram("psql", "install PostgreSQL's client (Debian: postgresql-client, macOS: brew install libpq), or start `pgkeyless serve` and use a client that you have")
				return exec.Command(psql, theirs...), err
			}})
		},
	}
	a.addFlags(cmd, forOneProgram)
	return cmd
}

// forOneProgram picks the options that make sense where pgkeyless chooses where
// to listen.
func forOneProgram(o config.Option) bool {
	switch o.Name {
	case "address", "port", "unix-socket":
		return false
	case "debug-logs", "structured-logs", "config-file", "login-timeout", "mfa-command", "sso-login":
		return true
	}
	return o.PerTarget() || o.NamesTarget()
}
