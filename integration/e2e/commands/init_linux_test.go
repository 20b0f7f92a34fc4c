package commands

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
)

// onScreen starts pgkeyless on a terminal, in dir.
func onScreen(c *rig.Clinic, dir string, args ...string) *rig.Screen {
	c.T.Helper()
	ctx, cancel := context.WithTimeout(c.T.Context(), 5*time.Minute)
	c.T.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, rig.Shared.Binary, args...)
	cmd.Dir = dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "TERM=xterm", "NO_COLOR=1", "HOME=" + filepath.Join(dir, "home"), "XDG_CONFIG_HOME=" + filepath.Join(dir, "config")},
		rig.Without("HOME")(rig.Shared.Keys.Env(c.AWS.URL()))...)
	return rig.OnScreen(c.T, cmd)
}

// The first minutes: pgkeyless alone on a terminal asks, checks, and writes a file that
// the next pgkeyless serves from.
func TestBareStartAsksForATarget(t *testing.T) {
	c := rig.OpenClinic(t, nil, func(cfg *awsemu.Config) { cfg.Regions = []string{"eu-west-1"} })
	dir := t.TempDir()
	s := onScreen(c, dir, "--ca-file", c.Database.CAFile())
	s.Await("no target and no config file")
	s.AnswerInit() // a file of the project may not name CAs, so that there is one place
	s.Await("Looking for databases and jump hosts in eu-central-1")
	if code := s.End(); code != 0 {
		t.Fatalf("exit code %d:\n%s", code, s.Text())
	}
	text, err := os.ReadFile(filepath.Join(dir, "config", "pgkeyless", "config.yaml"))
	want := "targets:\n  orders:\n    via: " + lab.Target + "\n    user: app_user\n    dbname: app\n    region: eu-central-1\n    ca-file: " + c.Database.CAFile() + "\n"
	if err != nil || string(text) != want {
		t.Errorf("%v: wrote\n%s\nwant\n%s", err, text, want)
	}
	s = onScreen(c, dir, "--port", "0")
	s.Await("pgkeyless is ready for new connections")
	s.Type("\x03")
	if code := s.End(); code != 130 {
		t.Errorf("the next pgkeyless ends with %d:\n%s", code, s.Text())
	}
}

// Whoever leaves leaves nothing behind.
func TestCtrlCInInitWritesNothing(t *testing.T) {
	c := rig.OpenClinic(t, nil, nil)
	dir := t.TempDir()
	s := onScreen(c, dir, "init", "--region", "eu-central-1")
	s.Await("Database")
	s.Await("orders")
	s.Type("\x03")
	if code := s.End(); code != 130 || !strings.Contains(s.Text(), "nothing was written") {
		t.Errorf("exit code %d:\n%s", code, s.Text())
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 1 {
		t.Errorf("%v, left %v", err, left)
	}
}

// showCursor is what shows the cursor again (DECTCEM).
const showCursor = "\x1b[?25h"

// A signal from elsewhere leaves a terminal behind on which one can type, and no file.
func TestSignalInInit(t *testing.T) {
	c := rig.OpenClinic(t, nil, nil)
	for sig, want := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143, syscall.SIGHUP: 129} {
		t.Run(sig.String(), func(t *testing.T) {
			dir := t.TempDir()
			s := onScreen(c, dir, "init", "--region", "eu-central-1")
			s.Await("orders")
			s.Signal(sig)
			if code := s.End(); code != want {
				t.Errorf("exit code %d, want %d:\n%s", code, want, s.Text())
			}
			if !strings.Contains(s.Sent(), showCursor) {
				t.Errorf("the cursor is still hidden: %q", s.Sent())
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) > 1 {
				t.Errorf("%v, left %v", err, left)
			}
		})
	}
}

// A check that fails offers what is missing, and writes nothing without a yes.
func TestInitOffersThePolicy(t *testing.T) {
	c := rig.OpenClinic(t, nil, nil)
	dir := t.TempDir()
	s := onScreen(c, dir, "init", "orders", "--region", "eu-central-1", "--via", lab.Target, "--user", "plain_user", "--dbname", "app",
		"--ca-file", c.Database.CAFile(), "--file", filepath.Join(dir, "mine.yaml"))
	s.Await("FAIL")
	s.Await("Show the IAM policy and the SQL that this target needs?")
	s.Type("y")
	s.Await(`GRANT rds_iam TO "plain_user"`)
	s.Await("although the check failed?")
	s.Type("n")
	if code := s.End(); code != 130 {
		t.Errorf("exit code %d:\n%s", code, s.Text())
	}
	if _, err := os.Stat(filepath.Join(dir, "mine.yaml")); !os.IsNotExist(err) {
		t.Errorf("the file was written: %v", err)
	}
}

// Without a terminal flags answer everything, and what they do not is named.
func TestInitByFlags(t *testing.T) {
	c := rig.OpenClinic(t, nil, nil)
	file := filepath.Join(t.TempDir(), "pgkeyless.yaml")
	if err := os.WriteFile(file, []byte("# ours\ntargets:\n  billing:\n    via: none\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	args := []string{"init", "orders", "--region", "eu-central-1", "--ca-file", c.Database.CAFile(), "--file", file, "--user", "app_user"}
	_, stderr, code := c.Run(args...)
	if code != 1 || !strings.Contains(stderr, "no terminal to ask on, and not given: --via") {
		t.Errorf("without --via: exit code %d: %s", code, stderr)
	}
	_, stderr, code = c.Run(append(args, "--via", lab.Target, "--read-only")...)
	if code != 0 || !strings.Contains(stderr, "pgkeyless orders --config-file "+file) {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	text, err := os.ReadFile(file)
	want := "# ours\ntargets:\n  billing:\n    via: none\n  orders:\n    via: " + lab.Target + "\n    user: app_user\n    region: eu-central-1\n    ca-file: " + c.Database.CAFile() + "\n    read-only: true\n"
	if err != nil || string(text) != want {
		t.Errorf("%v: wrote\n%s\nwant\n%s", err, text, want)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	_, stderr, code = c.Run(append(args, "--via", lab.Target)...)
	if code != 1 || !strings.Contains(stderr, `there is a target "orders" already`) {
		t.Errorf("a second time: exit code %d: %s", code, stderr)
	}
	_, stderr, code = c.Run("init", "orders", "--region", "eu-central-1", "--via", lab.Target, "--user", "plain_user", "--ca-file", c.Database.CAFile(), "--file", file, "--name", "other")
	if after, _ := os.ReadFile(file); code != 1 || !strings.Contains(stderr, "so nothing was written") || string(after) != want {
		t.Errorf("a check that fails: exit code %d: %s\n%s", code, stderr, after)
	}
}
