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
		Short: "Walk the whole path to a target, stop at the first broken link, say how to mend it",
		Long: `Walk the path to TARGET link by link: credentials, clock, endpoint, IAM
authentication, jump host, SSM session, TLS, login, the user's rights, speed. Each
gets a line with its time. The first that is broken ends the walk, with what is
wrong and what mends it. What your credentials may not ask is skipped and said.

The login is as --user, else as your account's name, to --dbname, else to the
database postgres. Nothing is changed, and no SSM session left behind. A paused
Aurora wakes up.

--json prints one object a line for each stage (stage, status: ok, warning,
skipped, left_out or failed, seconds, text, notes, mend, sqlstate), and one at the
end (result: ok, failed or interrupted; failed_stage, exit_code).

Exit codes:
` + doctor.CodeTable(),
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.doctor(cmd.Context(), args, asJSON)
		},
	}
	a.addFlags(cmd, forOneProgram)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print an object for each stage, one a line")
	return cmd
}

func (a *app) doctor(ctx context.Context, args []string, asJSON bool) error {
	target, run, err := a.loadServable(args)
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
