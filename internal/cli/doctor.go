package cli

import (
	"context"
	"log/slog"
	"slices"

	"github.com/spf13/cobra"

	"github.com/pgkeyless/pgkeyless/internal/checkup"
	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/credentials"
	"github.com/pgkeyless/pgkeyless/internal/doctor"
	"github.com/pgkeyless/pgkeyless/internal/prompt"
	"github.com/pgkeyless/pgkeyless/internal/signals"
	"github.com/pgkeyless/pgkeyless/internal/targets"
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
		for _, s := range c.WholePath() {
			if s(ctx); walk.HasFailed() || ctx.Err() != nil {
				break
			}
		}
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

// withCheckup lets f look at t until a signal comes, which is then the error, and
// ends the SSM session that f has left.
func (a *app) withCheckup(ctx context.Context, t config.Target, run config.Run, walk *doctor.Walk, f func(context.Context, *checkup.Checkup) error) error {
	log := slog.New(slog.DiscardHandler)
	if run.DebugLogs {
		log = newLog(a.stderr, run)
	}
	caught, stop := a.notify()
	defer stop()
	looking, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case s := <-caught:
			stopped := &signals.Stopped{Signal: s}
			if walk != nil {
				walk.Interrupt(stopped.Code())
			}
			cancel(stopped)
		case <-looking.Done():
		}
	}()
	profiles := a.profiles(run)
	if walk != nil {
		profiles.People = besides(walk, profiles.People)
	}
	c := checkup.New(t, walk, targets.New(log, profiles))
	c.Limit = run.LoginTimeout
	defer c.Wiring.End(ctx)
	defer c.Close()
	err := f(looking, c)
	if stopped := context.Cause(looking); stopped != nil {
		return stopped
	}
	return err
}

// besides asks as p does, and lets the walk's progress rest meanwhile.
func besides(walk *doctor.Walk, p credentials.People) credentials.People {
	if ask := p.MFACode; ask != nil {
		p.MFACode = func(ctx context.Context, q credentials.MFAQuestion) (code string, err error) {
			walk.Aside(func() { code, err = ask(ctx, q) })
			return code, err
		}
	}
	if show := p.SSOPage; show != nil {
		p.SSOPage = func(page credentials.SSOPage) { walk.Aside(func() { show(page) }) }
	}
	return p
}
