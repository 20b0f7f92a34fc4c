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
		Long: `Run COMMAND with PGHOST, PGPORT, PGUSER and PGDATABASE (where the target says
who and which) and DATABASE_URL set, so that it reaches TARGET on a port of this
machine that is open until it ends, and PGSSLROOTCERT and NODE_EXTRA_CA_CERTS, so
that it can verify the certificate there. If a pgkeyless of yours serves the target
already, that is used, and --via need not be given again.

  pgkeyless exec orders --user app_user --dbname shop -- ./manage.py migrate

The exit code is COMMAND's, or 128 + N when signal N has ended it.`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			own, theirs := splitAtDash(cmd, args)
			if len(theirs) == 0 {
				return causes.Misuse("no command to run", "put it behind two dashes: pgkeyless exec TARGET -- COMMAND")
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
