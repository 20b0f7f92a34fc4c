package cli

import (
	"os/exec"

	"github.com/spf13/cobra"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

func (a *app) execCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "exec TARGET -- COMMAND [ARG...]",
		Short: "Run a program with PGHOST and DATABASE_URL set for a target",
		Long: `Run COMMAND with PGHOST, PGPORT, PGUSER, PGDATABASE and DATABASE_URL set, so
that it reaches TARGET on a local port that closes when COMMAND ends. PGUSER
and PGDATABASE are set if the target names a user and a database. PGSSLROOTCERT
and NODE_EXTRA_CA_CERTS are set, so that COMMAND can verify pgkeyless's
certificate. If a running pgkeyless already serves the target, COMMAND uses it,
and you do not need to repeat --via.

  pgkeyless exec orders --user app_user --dbname shop -- ./manage.py migrate

The exit code is COMMAND's, or 128 + N if signal N ended it.`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.completeTarget,
		RunE: func(cmd *cobra.Command, args []string) error {
			own, theirs := splitAtDash(cmd, args)
			if len(theirs) == 0 {
				return causes.Misuse("no command to run", "put it after two dashes: pgkeyless exec TARGET -- COMMAND")
			}
			return a.withProxy(cmd.Context(), own, guest{overTCP: true, command: func() (*exec.Cmd, error) {
				program, err := findProgram(theirs[0], "check its name, or give its path")
				return exec.Command(program, theirs[1:]...), err
			}})
		},
	}
	a.addFlags(cmd, forOneProgram)
	return cmd
}
