package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/control"
)

func (a *app) shutdownCommand() *cobra.Command {
	return a.remoteCommand("shutdown [TARGET]", "Let a running proxy's sessions end, and end it",
		`End a running proxy as SIGTERM does: it takes no new clients, and open sessions
may end within --max-sigterm-delay. The proxy's own exit code is 0. With several
running, TARGET says which.

Exit codes: 0 the proxy ends, 1 it does not.`,
		func(ctx context.Context, target string) error {
			r, err := a.remote(ctx, target)
			if err == nil {
				err = offered(r.Shutdown(ctx), "--quitquitquit")
			}
			if err == nil {
				fmt.Fprintf(a.stderr, "%s lets open sessions end, and ends\n", r)
			}
			return err
		})
}

func (a *app) reloadCommand() *cobra.Command {
	return a.remoteCommand("reload [TARGET]", "Have a running proxy read its config file again",
		`Have a running proxy read its config file again, as SIGHUP does. No session is
dropped. When the file has a mistake, this says which, the command fails, and the
proxy goes on as before. With several running, TARGET says which.

Exit codes: 0 the new settings count, 1 the old ones do.`,
		func(ctx context.Context, target string) error {
			r, err := a.remote(ctx, target)
			if err == nil {
				err = offered(r.Reload(ctx), "--quitquitquit")
			}
			if err == nil {
				fmt.Fprintf(a.stderr, "%s has read its configuration again\n", r)
			}
			return err
		})
}

func (a *app) disconnectCommand() *cobra.Command {
	cmd := a.remoteCommand("disconnect ID [TARGET]", "End a client's session",
		`End a client's session, whose client gets an error that says so (SQLSTATE
57P01). ID is the number that "pgkeyless status" shows. With several proxies
running, TARGET says which one is meant.

Exit codes: 0 the session ends, 1 there is none with that number.`, nil)
	cmd.Args = a.atMost(2)
	cmd.ValidArgsFunction = cobra.NoFileCompletions
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		const hint = "`pgkeyless status` shows the numbers of sessions"
		if len(args) == 0 {
			return causes.Misuse("disconnect needs the number of a session", hint)
		}
		id, err := strconv.ParseUint(args[0], 10, 64)
		if err != nil {
			return causes.Misuse(fmt.Sprintf("%q is not the number of a session", args[0]), hint)
		}
		return a.disconnect(cmd.Context(), id, strings.Join(args[1:], ""))
	}
	return cmd
}

// disconnect ends the session with that id, at the one proxy that is meant.
func (a *app) disconnect(ctx context.Context, id uint64, target string) error {
	r, err := a.remote(ctx, target)
	if err != nil {
		return err
	}
	err = r.Disconnect(ctx, id)
	if errors.Is(err, control.ErrNotOffered) {
		return offered(err, "--quitquitquit")
	}
	if err == nil {
		fmt.Fprintf(a.stderr, "session %d ends\n", id)
	}
	return err
}
