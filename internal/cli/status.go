package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgkeyless/pgkeyless/internal/control"
	"github.com/pgkeyless/pgkeyless/internal/environ"
	"github.com/pgkeyless/pgkeyless/internal/prompt"
	"github.com/pgkeyless/pgkeyless/internal/status"
)

const (
	// exitFailing is the exit code of a status in which a target fails.
	exitFailing = 2
	// watchEvery is how often --watch looks.
	watchEvery = 2 * time.Second
)

func (a *app) statusCommand() *cobra.Command {
	var asJSON, watch bool
	cmd := a.remoteCommand("status [TARGET]", "Show what your running proxies do",
		`Show what your running proxies do: targets and their logins, SSM sessions,
clients, credentials and recent events; with TARGET, more about that target.
Problems come first.

  pgkeyless status
  pgkeyless status orders --watch
  pgkeyless status --json | jq '.[].targets[] | {name, state}'

The command finds your own proxies without a port, even while they drain. In a
container, for example, name a port with --admin-port or --http-port.

Exit codes: 0 all is well, 1 no proxy found, 2 logins to a target fail.`,
		func(ctx context.Context, target string) error {
			if watch {
				return a.watchStatus(ctx, target, asJSON)
			}
			return a.status(ctx, target, asJSON, a.stdout)
		})
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the status documents as a JSON array; docs/status.md describes them")
	cmd.Flags().BoolVar(&watch, "watch", false, "refresh every 2 seconds until Ctrl-C")
	return cmd
}

// status writes what the proxies say.
func (a *app) status(ctx context.Context, target string, asJSON bool, w io.Writer) error {
	all, err := a.remotes(ctx, target)
	if err != nil {
		return err
	}
	documents, err := ask(ctx, all)
	if err != nil {
		return err
	}
	if asJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		err = e.Encode(documents)
	} else {
		err = a.writeStatus(w, documents, target)
	}
	if err == nil && slices.ContainsFunc(documents, func(d status.Document) bool { return failing(d, target) }) {
		return &ended{exitFailing}
	}
	return err
}

// ask asks each for its document. One that has just ended is left out, unless it is
// the only one.
func ask(ctx context.Context, all []*control.Remote) ([]status.Document, error) {
	var documents []status.Document
	var failed error
	for _, r := range all {
		d, err := r.Status(ctx)
		if err != nil {
			failed = err
			continue
		}
		documents = append(documents, d)
	}
	if len(documents) == 0 && failed != nil {
		return nil, offered(failed, "--status-page, or with --debug or --quitquitquit for --admin-port")
	}
	return documents, nil
}

func failing(d status.Document, target string) bool {
	return slices.ContainsFunc(d.Failing(), func(t status.Target) bool { return target == "" || strings.EqualFold(t.Name, target) })
}

// writeStatus writes documents for people.
func (a *app) writeStatus(w io.Writer, documents []status.Document, target string) error {
	text := status.Text{Width: prompt.Width(a.stdout), Color: a.colors(), Only: target}
	for i, d := range documents {
		if i > 0 {
			fmt.Fprintln(w)
		}
		if _, err := io.WriteString(w, text.Write(d)); err != nil {
			return err
		}
	}
	return nil
}

// colors reports whether stdout is a terminal that takes them.
//
// Source: no-color.org.
func (a *app) colors() bool {
	return prompt.IsTerminal(a.stdout) && environ.LookUp(a.environ, "NO_COLOR") == "" && environ.LookUp(a.environ, "TERM") != "dumb"
}

// clearScreen puts the cursor at the top left, and clear what is below it.
const clearScreen = "\x1b[H\x1b[J"

// watchStatus shows the status again and again until a signal.
func (a *app) watchStatus(ctx context.Context, target string, asJSON bool) error {
	caught, stop := a.notify()
	defer stop()
	ticks := time.NewTicker(watchEvery)
	defer ticks.Stop()
	var last error
	for {
		var page strings.Builder
		last = a.status(ctx, target, asJSON, &page)
		if _, told := last.(*ended); last != nil && !told {
			fmt.Fprintf(&page, "%v\n", last)
		}
		before := ""
		if prompt.IsTerminal(a.stdout) && !asJSON {
			before = clearScreen
		}
		if _, err := io.WriteString(a.stdout, before+page.String()); err != nil {
			return err
		}
		select {
		case <-ticks.C:
		case <-caught:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
