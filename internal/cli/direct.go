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
	return a.remoteCommand("shutdown [TARGET]", "Shut down a running proxy once its sessions have ended",
		`Shut down a running proxy as SIGTERM does: it accepts no new clients, and open
sessions have --max-sigterm-delay to end. The proxy's own exit code is 0. If
several proxies run, TARGET says which one.

Exit codes: 0 the proxy shuts down, 1 it does not.`,
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
	return a.remoteCommand("reload [TARGET]", "Reload the config file of a running proxy",
		`Reload the config file of a running proxy, as SIGHUP does. No session is
dropped. If the file has an error, the command prints it and fails, and the
proxy keeps its settings. If several proxies run, TARGET says which one.

Exit codes: 0 the new settings apply, 1 the old ones still do.`,
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
		`End a client's session. The client gets an error that says so (SQLSTATE 57P01).
ID is the number that "pgkeyless status" shows. If several proxies run, TARGET
says which one.

Exit codes: 0 the session ends, 1 there is no session with that number.`, nil)
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
