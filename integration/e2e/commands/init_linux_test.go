package commands

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
)

// screen is a program on a terminal of its own, and who sits there.
type screen struct {
	t      *testing.T
	cmd    *exec.Cmd
	master *os.File
	ended  chan struct{} // closed when all has been read

	mu    sync.Mutex
	shown bytes.Buffer
	read  int           // how much of it has been read by Await
	more  chan struct{} // holds one after something was shown
}

// onScreen starts pgkeyless on a terminal, in dir.
func onScreen(c *rig.Clinic, dir string, args ...string) *screen {
	c.T.Helper()
	master, slave := rig.OpenPTY(c.T)
	if err := unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: 100}); err != nil {
		c.T.Fatal(err)
	}
	s := &screen{t: c.T, master: master, ended: make(chan struct{}), more: make(chan struct{}, 1)}
	ctx, cancel := context.WithTimeout(c.T.Context(), 2*time.Minute)
	c.T.Cleanup(cancel)
	s.cmd = exec.CommandContext(ctx, rig.Shared.Binary, args...)
	s.cmd.Dir = dir
	s.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "TERM=xterm", "NO_COLOR=1", "HOME=" + filepath.Join(dir, "home"), "XDG_CONFIG_HOME=" + filepath.Join(dir, "config")},
		rig.Without("HOME")(rig.Shared.Keys.Env(c.AWS.URL()))...)
	s.cmd.Stdin, s.cmd.Stdout, s.cmd.Stderr = slave, slave, slave
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	if err := s.cmd.Start(); err != nil {
		c.T.Fatal(err)
	}
	slave.Close()
	go s.watch()
	return s
}

func (s *screen) watch() {
	defer close(s.ended)
	for b := make([]byte, 4096); ; {
		n, err := s.master.Read(b)
		s.mu.Lock()
		s.shown.Write(b[:n])
		s.mu.Unlock()
		select {
		case s.more <- struct{}{}:
		default:
		}
		if err != nil { // EIO: the last one has left
			return
		}
	}
}

var control = regexp.MustCompile("\x1b\\[[0-9;?]*[A-Za-z]|\x1b\\][^\x07\x1b]*(\x07|\x1b\\\\)|\r")

// text is what was shown, without what moves the cursor.
func (s *screen) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return control.ReplaceAllString(s.shown.String(), "")
}

// await waits until words are shown, after those of the last time.
func (s *screen) await(words string) {
	s.t.Helper()
	for late := time.After(time.Minute); ; {
		text := s.text()
		if i := strings.Index(text[min(s.read, len(text)):], words); i >= 0 {
			s.read += i + len(words)
			return
		}
		select {
		case <-s.more:
		case <-s.ended:
			if text := s.text(); !strings.Contains(text[min(s.read, len(text)):], words) {
				s.t.Fatalf("ended without %q:\n%s", words, text)
			}
		case <-late:
			s.t.Fatalf("no %q:\n%s", words, s.text())
		}
	}
}

func (s *screen) typing(keys string) {
	s.t.Helper()
	if _, err := s.master.WriteString(keys); err != nil {
		s.t.Fatal(err)
	}
}

// end waits for the program's end.
func (s *screen) end() (code int) {
	s.t.Helper()
	<-s.ended
	_ = s.cmd.Wait()
	rig.CheckOutput(s.t, s.text())
	return s.cmd.ProcessState.ExitCode()
}

// The first minutes: pgkeyless alone on a terminal asks, checks, and writes a file that
// the next pgkeyless serves from.
func TestBareStartAsksForATarget(t *testing.T) {
	c := rig.OpenClinic(t, nil, func(cfg *awsemu.Config) { cfg.Regions = []string{"eu-west-1"} })
	dir := t.TempDir()
	s := onScreen(c, dir, "--ca-file", c.Database.CAFile())
	s.await("no target and no config file")
	s.await("AWS region")
	s.typing("eu-central-1\r\r")
	s.await("Looking for databases and jump hosts in eu-central-1")
	s.await("orders (instance, postgres 16.4, available)")
	s.typing("ord\r\r")
	s.await(lab.Target)
	s.typing("i-\r\r")
	s.await("Database user")
	s.typing("app_user\r")
	s.await("Database name")
	s.typing("app\r")
	s.await("all good") // a file of the project may not name CAs, so that there is one place
	if code := s.end(); code != 0 {
		t.Fatalf("exit code %d:\n%s", code, s.text())
	}
	text, err := os.ReadFile(filepath.Join(dir, "config", "pgkeyless", "config.yaml"))
	want := "targets:\n  orders:\n    via: " + lab.Target + "\n    user: app_user\n    dbname: app\n    region: eu-central-1\n    ca-file: " + c.Database.CAFile() + "\n"
	if err != nil || string(text) != want {
		t.Errorf("%v: wrote\n%s\nwant\n%s", err, text, want)
	}
	s = onScreen(c, dir, "--port", "0")
	s.await("pgkeyless is ready for new connections")
	s.typing("\x03")
	if code := s.end(); code != 130 {
		t.Errorf("the next pgkeyless ends with %d:\n%s", code, s.text())
	}
}

// Whoever leaves leaves nothing behind.
func TestCtrlCInInitWritesNothing(t *testing.T) {
	c := rig.OpenClinic(t, nil, nil)
	dir := t.TempDir()
	s := onScreen(c, dir, "init", "--region", "eu-central-1")
	s.await("Database")
	s.await("orders")
	s.typing("\x03")
	if code := s.end(); code != 130 || !strings.Contains(s.text(), "nothing was written") {
		t.Errorf("exit code %d:\n%s", code, s.text())
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 1 {
		t.Errorf("%v, left %v", err, left)
	}
}

// A check that fails offers what is missing, and writes nothing without a yes.
func TestInitOffersThePolicy(t *testing.T) {
	c := rig.OpenClinic(t, nil, nil)
	dir := t.TempDir()
	s := onScreen(c, dir, "init", "orders", "--region", "eu-central-1", "--via", lab.Target, "--user", "plain_user", "--dbname", "app",
		"--ca-file", c.Database.CAFile(), "--file", filepath.Join(dir, "mine.yaml"))
	s.await("FAIL")
	s.await("Show the IAM policy and the SQL that this target needs?")
	s.typing("y")
	s.await(`GRANT rds_iam TO "plain_user"`)
	s.await("although the check failed?")
	s.typing("n")
	if code := s.end(); code != 130 {
		t.Errorf("exit code %d:\n%s", code, s.text())
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
