package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/control"
	"github.com/pgkeyless/pgkeyless/internal/status"
)

// How often wait looks: often at first, for one that starts at this moment.
const (
	firstLook = 20 * time.Millisecond
	slowLook  = 500 * time.Millisecond
)

func (a *app) waitCommand() *cobra.Command {
	var most time.Duration
	cmd := a.remoteCommand("wait [TARGET]", "Wait until a proxy is ready for clients",
		`Wait until a running proxy is ready for clients; with TARGET, one that serves
that target. Being ready does not depend on AWS or the database.

  pgkeyless orders & pgkeyless wait --max 10s && psql -h localhost
  ["/pgkeyless", "wait", "--max", "1s"]        as a probe in a container

Exit codes: 0 ready, 1 not ready in time.`,
		func(ctx context.Context, target string) error { return a.wait(ctx, target, most) })
	cmd.Flags().DurationVar(&most, "max", 30*time.Second, "maximum time to wait")
	return cmd
}

// wait looks until a proxy is ready, or most is over.
func (a *app) wait(ctx context.Context, target string, most time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	pause := firstLook
	var why error
	for {
		now := a.ready(ctx, target)
		if now == nil {
			return nil
		}
		if why == nil || ctx.Err() == nil { // else it only says that time is over
			why = now
		}
		if errors.Is(why, control.ErrNotOffered) {
			return offered(why, "--health-check")
		}
		select {
		case <-time.After(pause):
			pause = min(2*pause, slowLook)
		case <-ctx.Done():
			return causes.MisuseOf(fmt.Errorf("not ready after %v: %w", most, why), causes.Hint(why))
		}
	}
}

// ready is nil when a proxy that serves target is ready for clients.
func (a *app) ready(ctx context.Context, target string) error {
	all, err := a.remotes(ctx, target)
	if err != nil {
		return err
	}
	for _, r := range all {
		if err = r.Ready(ctx); err == nil && target != "" {
			err = servesNow(ctx, r, target)
		}
		if err == nil {
			return nil
		}
	}
	return err
}

// servesNow is nil when r takes clients for target.
func servesNow(ctx context.Context, r *control.Remote, target string) error {
	d, err := r.Status(ctx)
	switch {
	case err != nil:
		return err
	case d.Proxy.State != status.Serving:
		return fmt.Errorf("%s is %s", r, d.Proxy.State)
	case !slices.ContainsFunc(namesIn(d), func(name string) bool { return strings.EqualFold(name, target) }):
		return causes.Misuse(fmt.Sprintf("%s does not serve %q", r, target), "it serves "+strings.Join(namesIn(d), ", "))
	}
	return nil
}
