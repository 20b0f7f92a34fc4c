package cli

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/program"
	"github.com/pgkeyless/pgkeyless/internal/running"
	"github.com/pgkeyless/pgkeyless/internal/serving"
	"github.com/pgkeyless/pgkeyless/internal/targets"
	"github.com/pgkeyless/pgkeyless/proxy"
)

// withProxy runs the program that command makes while a proxy serves the one
// target of args: one that runs already, or else one of its own that ends with
// the program. overTCP is for programs that cannot be relied on to know Unix
// sockets; the others get one that only this user can reach.
//
// pgkeyless itself is silent: what goes wrong with a connection reaches the
// program as an error of the database's.
func (a *app) withProxy(ctx context.Context, args []string, overTCP bool, command func(running.Place) (*exec.Cmd, error)) error {
	t, run, err := a.loadServed(args)
	if err != nil {
		return err
	}
	signals, stop := a.Notify()
	defer stop()
	if found, ok := running.Find(t, a.environ); ok {
		return a.runAt(ctx, found.Place(t, overTCP), command, signals)
	}
	if err := running.CheckWay(t); err != nil {
		return err
	}
	log := slog.New(slog.DiscardHandler)
	if run.DebugLogs || run.StructuredLogs {
		log = newLog(a.stderr, run)
	}
	w := targets.New(log, a.profiles(run))
	defer w.End(ctx)
	var route proxy.Route
	if stopped, err := serving.UnlessStopped(ctx, signals, run, func(ctx context.Context) (err error) {
		route, err = w.Route(ctx, t)
		return err
	}); stopped || err != nil {
		return err
	}
	return serving.Private(ctx, route, overTCP, run, log, func(host string, port int) error {
		return a.runAt(ctx, running.Place{Host: host, Port: port, User: t.User, Database: t.Database}, command, signals)
	})
}

// runAt runs the program against p.
func (a *app) runAt(ctx context.Context, p running.Place, command func(running.Place) (*exec.Cmd, error), signals <-chan os.Signal) error {
	cmd, err := command(p)
	if err != nil {
		return err
	}
	cmd.Env = running.ChildEnvironment(a.environ, p)
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
