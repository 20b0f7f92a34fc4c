package cli

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/pgkeyless/pgkeyless/internal/checkup"
	"github.com/pgkeyless/pgkeyless/internal/doctor"
	"github.com/pgkeyless/pgkeyless/internal/prompt"
)

func (a *app) doctorCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor TARGET [--user NAME] [--json]",
		Short: "Check the path to a target, and say how to fix what is broken",
		Long: `Check the path to TARGET link by link: credentials, clock, endpoint, IAM
authentication, jump host, SSM session, TLS, login, the user's rights, speed.
Each check gets a line with its time. doctor stops at the first broken link and
says what is wrong and how to fix it. It skips, and says so, what your
credentials may not look up.

doctor logs in as --user, or else as your OS user (as admin to Aurora DSQL), to
--dbname, or else to the database postgres. It changes nothing and leaves no
SSM session behind. A paused Aurora cluster wakes up.

--json prints one object per line for each stage (stage, status: ok, warning,
skipped, left_out or failed, seconds, text, notes, fix, sqlstate), and one at
the end (result: ok, failed or interrupted; failed_stage, exit_code).

Exit codes:
` + doctor.CodeTable(),
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.completeTarget,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.doctor(cmd.Context(), args, asJSON)
		},
	}
	a.addFlags(cmd, forOneProgram)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object per line for each stage")
	return cmd
}

func (a *app) doctor(ctx context.Context, args []string, asJSON bool) error {
	target, run, err := a.loadServed(args)
	if err != nil {
		return err
	}
	walk := doctor.New(a.walkPrinter(asJSON))
	return a.withCheckup(ctx, target, run, walk, func(ctx context.Context, c *checkup.Checkup) error {
		c.WalkPath(ctx)
		if code := walk.Done(); code != 0 { // an interrupted one's too
			return &ended{code}
		}
		return nil
	})
}

// walkPrinter shows progress where people watch.
func (a *app) walkPrinter(asJSON bool) doctor.Printer {
	switch {
	case asJSON:
		return doctor.NewJSON(a.stdout)
	case prompt.IsTerminal(a.stdout) && !slices.Contains(a.environ, "TERM=dumb"):
		return doctor.NewTerminal(a.stdout)
	}
	return doctor.NewPlain(a.stdout)
}
