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

// Systemd manages a unit of systemd --user.
type Systemd struct {
	Config string // the user's directory for configuration
	User   string // the user's name, for what to do next; may be empty
	Run    Run
}

const unitName = Name + ".service"

// path is where the unit is.
//
// Source: systemd.unit(5), User Unit Search Path.
func (s Systemd) path() string { return filepath.Join(s.Config, "systemd", "user", unitName) }

// Print needs no systemd: without one the text is that for a new one.
func (s Systemd) Print(ctx context.Context, u Unit) (string, error) {
	u.Systemd = s.version(ctx)
	return SystemdUnit(u), nil
}

// version is that of systemd here, or 0.
func (s Systemd) version(ctx context.Context) int {
	said, err := s.Run(ctx, "systemctl", "--version")
	var version int
	if err != nil {
		return 0
	}
	if _, err := fmt.Sscanf(said, "systemd %d", &version); err != nil {
		return 0
	}
	return version
}

// Install writes the unit and enables it.
func (s Systemd) Install(ctx context.Context, u Unit) (next []string, err error) {
	if _, err := ours(s.path()); err != nil {
		return nil, err
	}
	if _, err := s.systemctl(ctx, "show-environment"); err != nil { // before anything is written
		return nil, err
	}
	text, err := s.Print(ctx, u)
	if err != nil {
		return nil, err
	}
	if err := write(s.path(), text); err != nil {
		return nil, err
	}
	for _, args := range [][]string{{"daemon-reload"}, {"enable", unitName}} {
		if _, err := s.systemctl(ctx, args...); err != nil {
			return nil, err
		}
	}
	linger := "loginctl enable-linger"
	if s.User != "" {
		linger += " " + shell.Word(s.User)
	}
	return []string{
		"installed " + s.path() + ", which starts when you log in",
		"start it now:                pgkeyless service start",
		"read its log:                journalctl --user -u pgkeyless -f",
		"reload the config file:      systemctl --user reload pgkeyless",
		"serve also when logged out:  " + linger,
		"change the unit:             systemctl --user edit pgkeyless",
	}, nil
}

// Uninstall stops and disables the unit, and removes it.
func (s Systemd) Uninstall(ctx context.Context) error {
	if err := s.installed(); err != nil {
		return err
	}
	if _, err := s.systemctl(ctx, "disable", "--now", unitName); err != nil {
		return err
	}
	if err := remove(s.path()); err != nil {
		return err
	}
	_, err := s.systemctl(ctx, "daemon-reload")
	return err
}

// Start starts the unit and waits until it serves.
func (s Systemd) Start(ctx context.Context) error {
	if err := s.installed(); err != nil {
		return err
	}
	_, err := s.systemctl(ctx, "start", unitName)
	return err
}

// Stop stops the unit and waits for its end.
func (s Systemd) Stop(ctx context.Context) error {
	if err := s.installed(); err != nil {
		return err
	}
	_, err := s.systemctl(ctx, "stop", unitName)
	return err
}

func (s Systemd) installed() error {
	there, err := ours(s.path())
	if err == nil && !there {
		err = notInstalled()
	}
	return err
}

// systemctl runs systemctl --user.
func (s Systemd) systemctl(ctx context.Context, args ...string) (string, error) {
	said, err := s.Run(ctx, "systemctl", append([]string{"--user"}, args...)...)
	switch {
	case err == nil:
		return said, nil
	case errors.Is(err, exec.ErrNotFound):
		return "", causes.Misuse("there is no systemctl: this system does not use systemd",
			"let its own service manager run `pgkeyless serve`; `pgkeyless service print` prints the unit for systems with systemd")
	case strings.Contains(err.Error(), "to bus") || strings.Contains(err.Error(), "XDG_RUNTIME_DIR"):
		return "", causes.MisuseOf(fmt.Errorf("systemd does not answer for this user: %w", err),
			"log in as this user, with ssh or machinectl shell: su and sudo do not start systemd --user, and containers have none")
	}
	return "", causes.MisuseOf(fmt.Errorf("systemctl --user %s: %w", strings.Join(args, " "), err),
		"the log says more: journalctl --user -u pgkeyless -n 20")
}
