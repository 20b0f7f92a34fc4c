//go:build unix

package service

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// fakeManager stands in for systemctl and launchctl.
type fakeManager struct {
	said map[string]string // by command line, or what it begins with
	errs map[string]error
	ran  []string
}

func (f *fakeManager) run(_ context.Context, name string, args ...string) (string, error) {
	line := strings.Join(append([]string{name}, args...), " ")
	f.ran = append(f.ran, line)
	for begin, err := range f.errs {
		if strings.HasPrefix(line, begin) {
			return "", err
		}
	}
	return f.said[line], nil
}

// took are the commands since the last call.
func (f *fakeManager) took() []string {
	ran := f.ran
	f.ran = nil
	return ran
}

func TestSystemdFromInstallToUninstall(t *testing.T) {
	dir := t.TempDir()
	f := &fakeManager{said: map[string]string{"systemctl --version": "systemd 257 (257.9-1)\n+PAM\n"}}
	s := Systemd{Config: dir, User: "ada", Run: f.run}
	path := filepath.Join(dir, "systemd", "user", "pgkeyless.service")
	for _, u := range []Unit{{Program: "/bin/old", Config: "/c.yaml"}, {Program: "/bin/pgkeyless", Config: "/c.yaml"}} { // again, after an update
		next, err := s.Install(t.Context(), u)
		if err != nil {
			t.Fatal(err)
		}
		u.Systemd = 257
		if got, err := os.ReadFile(path); err != nil || string(got) != SystemdUnit(u) {
			t.Errorf("%v, the unit is\n%s", err, got)
		}
		all := strings.Join(next, "\n")
		for _, want := range []string{path, "pgkeyless service start", "journalctl --user -u pgkeyless", "loginctl enable-linger ada"} {
			if !strings.Contains(all, want) {
				t.Errorf("what to do next lacks %q:\n%s", want, all)
			}
		}
		want := []string{"systemctl --user show-environment", "systemctl --version", "systemctl --user daemon-reload", "systemctl --user enable pgkeyless.service"}
		if ran := f.took(); !slices.Equal(ran, want) {
			t.Errorf("install ran %q, want %q", ran, want)
		}
	}
	for _, step := range []struct {
		do   func(context.Context) error
		want []string
	}{
		{s.Start, []string{"systemctl --user start pgkeyless.service"}},
		{s.Stop, []string{"systemctl --user stop pgkeyless.service"}},
		{s.Uninstall, []string{"systemctl --user disable --now pgkeyless.service", "systemctl --user daemon-reload"}},
	} {
		if err := step.do(t.Context()); err != nil {
			t.Error(err)
		}
		if ran := f.took(); !slices.Equal(ran, step.want) {
			t.Errorf("ran %q, want %q", ran, step.want)
		}
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the unit is left: %v", err)
	}
}

func TestLaunchdFromInstallToUninstall(t *testing.T) {
	home := t.TempDir()
	f := &fakeManager{errs: map[string]error{"launchctl print": errors.New("not loaded")}}
	l := Launchd{Home: home, UID: 501, Run: f.run}
	path := filepath.Join(home, "Library", "LaunchAgents", "io.github.pgkeyless.plist")
	if _, err := l.Install(t.Context(), Unit{Program: "/bin/pgkeyless", Config: "/c.yaml"}); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != LaunchAgent(Unit{Program: "/bin/pgkeyless", Config: "/c.yaml", Home: home}) {
		t.Errorf("%v, the agent is\n%s", err, got)
	}
	const loaded = "launchctl print gui/501/io.github.pgkeyless"
	for _, step := range []struct {
		name   string
		loaded bool
		do     func(context.Context) error
		want   []string
	}{
		{"start", false, l.Start, []string{loaded, "launchctl bootstrap gui/501 " + path}},
		{"start again", true, l.Start, []string{loaded, "launchctl kickstart gui/501/io.github.pgkeyless"}},
		{"stop", true, l.Stop, []string{loaded, "launchctl bootout gui/501/io.github.pgkeyless"}},
		{"stop again", false, l.Stop, []string{loaded}},
		{"uninstall", true, l.Uninstall, []string{loaded, "launchctl bootout gui/501/io.github.pgkeyless"}},
	} {
		if step.loaded {
			f.errs = nil
		} else {
			f.errs = map[string]error{"launchctl print": errors.New("not loaded")}
		}
		if err := step.do(t.Context()); err != nil {
			t.Errorf("%s: %v", step.name, err)
		}
		if ran := f.took(); !slices.Equal(ran, step.want) {
			t.Errorf("%s ran %q, want %q", step.name, ran, step.want)
		}
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the agent is left: %v", err)
	}
}

// What somebody else has written stays as it is, and no manager is asked for anything.
func TestForeignFilesStay(t *testing.T) {
	for name, make := range map[string]func(path string) error{
		"a file": func(path string) error { return os.WriteFile(path, []byte("[Unit]\n"), 0o644) },
		"a link": func(path string) error { return os.Symlink("/nowhere", path) },
		"a long file": func(path string) error {
			return os.WriteFile(path, []byte(mark+strings.Repeat("x", maxUnit)), 0o644)
		},
	} {
		dir := t.TempDir()
		f := new(fakeManager)
		s, l := Systemd{Config: dir, Run: f.run}, Launchd{Home: dir, Run: f.run}
		for _, m := range []struct {
			manager Manager
			path    string
		}{{s, s.path()}, {l, l.path()}} {
			manager, path := m.manager, m.path
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := make(path); err != nil {
				t.Fatal(err)
			}
			before, _ := os.Lstat(path)
			_, err := manager.Install(t.Context(), Unit{Program: "/p"})
			for _, err := range []error{err, manager.Uninstall(t.Context()), manager.Start(t.Context()), manager.Stop(t.Context())} {
				if err == nil || err.Error() != path+" was not written by pgkeyless" || causes.Hint(err) == "" {
					t.Errorf("%s: %v", name, err)
				}
			}
			if after, err := os.Lstat(path); err != nil || !os.SameFile(before, after) || after.Size() != before.Size() {
				t.Errorf("%s is changed: %v", name, err)
			}
			if len(f.ran) > 0 {
				t.Errorf("%s: ran %q", name, f.ran)
			}
		}
	}
}

func TestErrorsHaveHints(t *testing.T) {
	missing := &exec.Error{Name: "systemctl", Err: exec.ErrNotFound}
	noBus := errors.New("exit status 1: Failed to connect to bus: No medium found")
	failed := errors.New("exit status 1: Job for pgkeyless.service failed")
	for _, tt := range []struct {
		name       string
		err        error
		says, hint string
	}{
		{"no systemctl", missing, "there is no systemctl", "pgkeyless serve"},
		{"no bus", noBus, "systemd does not answer for this user", "ssh or machinectl shell"},
		{"failed", failed, "Job for pgkeyless.service failed", "journalctl --user -u pgkeyless"},
	} {
		dir := t.TempDir()
		f := &fakeManager{errs: map[string]error{"systemctl --user": tt.err}}
		s := Systemd{Config: dir, Run: f.run}
		_, err := s.Install(t.Context(), Unit{Program: "/p"})
		if err == nil || !strings.Contains(err.Error(), tt.says) || !strings.Contains(causes.Hint(err), tt.hint) {
			t.Errorf("%s: %v, hint %q", tt.name, err, causes.Hint(err))
		}
		if there, _ := ours(s.path()); there {
			t.Errorf("%s: a unit was written all the same", tt.name)
		}
	}
	f := &fakeManager{}
	for _, do := range []func(context.Context) error{Systemd{Config: t.TempDir(), Run: f.run}.Uninstall, Systemd{Config: t.TempDir(), Run: f.run}.Start,
		Launchd{Home: t.TempDir(), Run: f.run}.Uninstall, Launchd{Home: t.TempDir(), Run: f.run}.Stop} {
		if err := do(t.Context()); err == nil || err.Error() != "no service is installed" || causes.Hint(err) == "" {
			t.Errorf("nothing installed: %v", err)
		}
	}
	f = &fakeManager{errs: map[string]error{"launchctl": missing}}
	l := Launchd{Home: t.TempDir(), Run: f.run}
	if _, err := l.Install(t.Context(), Unit{Program: "/p"}); err != nil {
		t.Fatal(err)
	}
	if err := l.Start(t.Context()); err == nil || err.Error() != "there is no launchctl here" {
		t.Errorf("no launchctl: %v", err)
	}
}
