package service

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/shell"
)

// Launchd manages an agent of launchd, in the domain of the user's graphical session.
//
// Source: launchctl(1), launchd.plist(5).
type Launchd struct {
	Home string
	UID  int
	Run  Run
}

func (l Launchd) path() string {
	return filepath.Join(l.Home, "Library", "LaunchAgents", Label+".plist")
}

func (l Launchd) domain() string { return fmt.Sprintf("gui/%d", l.UID) }

// agent is what launchctl calls the service.
func (l Launchd) agent() string { return l.domain() + "/" + Label }

// Print is the agent's property list.
func (l Launchd) Print(_ context.Context, u Unit) (string, error) {
	u.Home = l.Home
	return LaunchAgent(u), nil
}

// Install writes the agent, which launchd loads at the next login.
func (l Launchd) Install(ctx context.Context, u Unit) (next []string, err error) {
	text, err := l.Print(ctx, u)
	if err != nil {
		return nil, err
	}
	if err := write(l.path(), text); err != nil {
		return nil, err
	}
	return []string{
		"installed " + l.path() + ", which starts when you log in",
		"start it now:            pgkeyless service start",
		"read its log:            tail -f " + shell.Word(launchdLog(l.Home)),
		"reload the config file:  launchctl kill SIGHUP " + l.agent(),
	}, nil
}

// Uninstall stops the agent and removes it.
func (l Launchd) Uninstall(ctx context.Context) error {
	if err := l.installed(); err != nil {
		return err
	}
	if err := l.Stop(ctx); err != nil {
		return err
	}
	return remove(l.path())
}

// Start loads the agent, which starts it. One that runs goes on.
func (l Launchd) Start(ctx context.Context) error {
	if err := l.installed(); err != nil {
		return err
	}
	if l.loaded(ctx) {
		return l.launchctl(ctx, "kickstart", l.agent())
	}
	return l.launchctl(ctx, "bootstrap", l.domain(), l.path())
}

// Stop unloads the agent, or launchd would start it again.
func (l Launchd) Stop(ctx context.Context) error {
	if err := l.installed(); err != nil {
		return err
	}
	if !l.loaded(ctx) {
		return nil
	}
	return l.launchctl(ctx, "bootout", l.agent())
}

func (l Launchd) installed() error {
	there, err := ours(l.path())
	if err == nil && !there {
		err = notInstalled()
	}
	return err
}

func (l Launchd) loaded(ctx context.Context) bool {
	_, err := l.Run(ctx, "launchctl", "print", l.agent())
	return err == nil
}

func (l Launchd) launchctl(ctx context.Context, args ...string) error {
	_, err := l.Run(ctx, "launchctl", args...)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, exec.ErrNotFound):
		return causes.Misuse("there is no launchctl here", "it is in /bin on macOS: check PATH")
	}
	return causes.MisuseOf(fmt.Errorf("launchctl %s: %w", strings.Join(args, " "), err),
		"log in at the machine's own screen, as this user: an agent needs that session; the log is "+launchdLog(l.Home))
}
