package cli

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"

	"github.com/spf13/cobra"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/credentials"
	"github.com/pgkeyless/pgkeyless/internal/program"
	"github.com/pgkeyless/pgkeyless/internal/prompt"
	"github.com/pgkeyless/pgkeyless/internal/running"
	"github.com/pgkeyless/pgkeyless/internal/serving"
	"github.com/pgkeyless/pgkeyless/internal/targets"
	"github.com/pgkeyless/pgkeyless/proxy"
)

// guest is a program that runs while a proxy serves it.
type guest struct {
	// overTCP is for programs that cannot be relied on to know Unix sockets; the
	// others get one that only this user can reach.
	overTCP bool
	// reads is the program's name when it reads the terminal from its start, so that
	// nobody can be asked there meanwhile.
	reads   string
	command func() (*exec.Cmd, error)
}

// withProxy runs g while a proxy serves the one target of args: one that runs
// already, or else one of its own that ends with the program.
//
// pgkeyless itself is silent: what goes wrong with a connection reaches the
// program as an error of the database's. What a person has to be asked is asked
// before a program starts that reads the terminal.
func (a *app) withProxy(ctx context.Context, args []string, g guest) error {
	t, run, err := a.loadServed(args)
	if err != nil {
		return err
	}
	signals, stop := a.notify()
	defer stop()
	if found, ok := running.Find(t); ok {
		return a.runAt(ctx, found.Place(t, g.overTCP), g, signals)
	}
	if err := running.CheckWay(t); err != nil {
		return err
	}
	log := slog.New(slog.DiscardHandler)
	if run.DebugLogs || run.StructuredLogs {
		log = newLog(a.stderr, run)
	}
	ask := a.asking(run)
	var started atomic.Bool
	ask.Taken = func() string {
		if started.Load() {
			return g.reads
		}
		return ""
	}
	people := prompt.People(ask)
	people.Terminal = func() bool { return !started.Load() } // the program would be stopped
	w := targets.New(log, a.keep(&credentials.Profiles{
		People: people, Log: slog.New(before{newLog(a.stderr, run).Handler(), &started}), Patience: run.LoginTimeout,
	}))
	defer w.End(ctx)
	var route proxy.Route
	if stopped, err := serving.UnlessStopped(ctx, signals, run, func(ctx context.Context) (err error) {
		if route, err = w.Route(ctx, t); err == nil && g.reads != "" && ask.OnTerminal() {
			err = w.Prepare(ctx, t)
		}
		return err
	}); stopped || err != nil {
		return err
	}
	started.Store(true)
	return serving.Private(ctx, route, g.overTCP, run, log, func(p running.Place) error {
		p.User, p.Database, p.Usual = t.User, route.Database, targets.UsualUser(t, route)
		return a.runAt(ctx, p, g, signals)
	})
}

// before writes what people should read until the program starts, whose terminal
// it is then.
type before struct {
	slog.Handler
	started *atomic.Bool
}

func (b before) Enabled(ctx context.Context, level slog.Level) bool {
	return !b.started.Load() && b.Handler.Enabled(ctx, level)
}

// runAt runs g against p.
func (a *app) runAt(ctx context.Context, p running.Place, g guest, signals <-chan os.Signal) error {
	cmd, err := g.command()
	if err != nil {
		return err
	}
	cmd.Env = running.ChildEnvironment(a.environ, p.WithPassword())
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return program.Run(ctx, cmd, signals)
}

// splitAtDash parts the arguments for pgkeyless from those behind "--".
func splitAtDash(cmd *cobra.Command, args []string) (own, theirs []string) {
	if i := cmd.ArgsLenAtDash(); i >= 0 {
		return args[:i], args[i:]
	}
	return args, nil
}

// findProgram looks name up in PATH.
func findProgram(name, hint string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return "", causes.Misuse(fmt.Sprintf("no program %q is found", filepath.Base(name)), hint)
	}
	return path, nil
}
