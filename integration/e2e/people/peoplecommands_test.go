//go:build linux

package people

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
)

// The commands that look and end ask for a code as serve does, once.
func TestCommandsAskForMFA(t *testing.T) {
	script := t.TempDir() + "/code"
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho "+rig.MFACode+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"list"}, {"list", "--region", "eu-central-1,eu-west-1"}, {"doctor", "TARGET"}, {"policy", "TARGET"}, {"policy", "TARGET", "--check"}} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			s, _ := rig.WithPerson(t, "mfa")
			c := rig.OpenClinic(t, nil, s.Emulator)
			c.Env = s.Env
			for i := range args {
				args[i] = strings.Replace(args[i], "TARGET", c.Target("user=app_user"), 1)
			}
			stdout, stderr, code := c.Run(append(args, "--mfa-command", script)...)
			if allowed := args[0] == "list" && strings.Contains(stderr, "eu-west-1"); code != 0 && !allowed { // the emulator is of one region
				t.Errorf("ended with %d, stderr %q\n%s", code, stderr, stdout)
			}
			if n := c.AWS.RolesAssumed(); n != 1 {
				t.Errorf("the role was assumed %d times, want once", n)
			}
		})
	}
}

// They log in to an expired SSO session by the browser, too, when they are told
// that they may.
func TestCommandsLogInBySSO(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"list"}, {"doctor", "TARGET"}, {"policy", "TARGET", "--check"}} {
		t.Run(args[0], func(t *testing.T) {
			s, home := rig.WithPerson(t, "sso")
			c := rig.OpenClinic(t, nil, s.Emulator)
			bin := browser(t)
			c.Env = func(env []string) []string { return append(s.Env(env), "PATH="+bin+":"+os.Getenv("PATH")) }
			for i := range args {
				args[i] = strings.Replace(args[i], "TARGET", c.Target("user=app_user"), 1)
			}
			if stdout, stderr, code := c.Run(append(args, "--sso-login")...); code != 0 {
				t.Errorf("ended with %d, stderr %q\n%s", code, stderr, stdout)
			}
			if n := c.AWS.SSOLogins(); n != 1 {
				t.Errorf("%d logins begun, want 1", n)
			}
			if found, _ := filepath.Glob(filepath.Join(home, ".aws/sso/cache/*.json")); len(found) == 0 {
				t.Error("the login was not kept")
			}
		})
	}
}

// browser is a directory with an xdg-open that visits the page it is given.
func browser(t *testing.T) string {
	t.Helper()
	bin := t.TempDir()
	pages := filepath.Join(bin, "pages")
	if err := syscall.Mkfifo(pages, 0o600); err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\necho \"$1\" > '" + pages + "'\n"
	if err := os.WriteFile(filepath.Join(bin, "xdg-open"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		page, err := os.ReadFile(pages) // waits for the script
		if err != nil || len(page) == 0 {
			return
		}
		if answer, err := http.Get(strings.TrimSpace(string(page))); err == nil {
			answer.Body.Close()
		}
	}()
	t.Cleanup(func() {
		if f, err := os.OpenFile(pages, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil { // nobody came
			f.Close()
		}
		<-read
	})
	return bin
}

// screen runs pgkeyless on a terminal of its own, on which typed is answered to
// the first question, and returns what that showed.
func screen(c *rig.Clinic, typed string, args ...string) (shown string, code int) {
	c.T.Helper()
	master, slave := rig.OpenPTY(c.T)
	ctx, cancel := context.WithTimeout(c.T.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, rig.Shared.Binary, args...)
	env := rig.Shared.Keys.Env(c.AWS.URL())
	if c.Env != nil {
		env = c.Env(env)
	}
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + c.T.TempDir(), "TERM=xterm", lab.QuickExit}, env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	if err := cmd.Start(); err != nil {
		c.T.Fatal(err)
	}
	slave.Close()
	var all bytes.Buffer
	for b := make([]byte, 1024); ; {
		n, err := master.Read(b)
		all.Write(b[:n])
		if typed != "" && bytes.HasSuffix(all.Bytes(), []byte("): ")) {
			time.AfterFunc(300*time.Millisecond, func() { master.WriteString(typed) }) // a person takes a while
		}
		if err != nil { // EIO: the last one has left
			break
		}
	}
	_ = cmd.Wait()
	rig.CheckOutput(c.T, all.String())
	return all.String(), cmd.ProcessState.ExitCode()
}

// left is what of shown is still there when all that was overwritten is gone.
func left(shown string) string {
	var b strings.Builder
	for line := range strings.Lines(strings.ReplaceAll(shown, "\r\n", "\n")) {
		b.WriteString(line[strings.LastIndexByte(line, '\r')+1:])
	}
	return strings.ReplaceAll(b.String(), "\x1b[K", "")
}

// On a terminal a stage's line counts its time, and its result takes its place:
// in the end there is what a pipe would have got.
func TestDoctorShowsProgressOnATerminal(t *testing.T) {
	c := rig.OpenClinic(t, nil, nil)
	shown, code := screen(c, "", "doctor", c.Target("user=app_user"))
	if code != 0 {
		t.Errorf("exit code %d", code)
	}
	for _, stage := range rig.AllStages {
		if !strings.Contains(shown, "\r\x1b[K|     "+stage+" ") {
			t.Errorf("%s was not shown as under way", stage)
		}
	}
	turns := regexp.MustCompile(`[|/\\-]     speed +(\d+\.\d) s`).FindAllStringSubmatch(shown, -1)
	if n := len(turns); n < 2 || turns[0][1] != "0.0" || turns[n-1][1] == "0.0" { // how many come in time is the machine's affair
		t.Errorf("the time of the stage under way was shown as %q, want it to count", turns)
	}
	plain, _, _ := c.Run("doctor", c.Target("user=app_user"))
	if rig.Masked(left(shown)) != rig.Masked(plain) {
		t.Errorf("left on the terminal:\n%s\nwant:\n%s", left(shown), plain)
	}
}

// The question is not overwritten while a person types.
func TestDoctorAsksForMFAOnTheTerminal(t *testing.T) {
	s, _ := rig.WithPerson(t, "mfa")
	c := rig.OpenClinic(t, nil, s.Emulator)
	c.Env = s.Env
	shown, code := screen(c, rig.MFACode+"\n", "doctor", c.Target("user=app_user"))
	prompt := "MFA code for " + rig.MFADevice + ` (profile "mfa"): `
	before, after, asked := strings.Cut(shown, prompt)
	if code != 0 || !asked || !strings.HasSuffix(before, "\r\x1b[K") {
		t.Fatalf("code %d, asked %v\n%q", code, asked, shown)
	}
	if !strings.HasPrefix(after, rig.MFACode+"\r\n") {
		t.Errorf("something came between question and answer: %q", after[:min(len(after), 80)])
	}
	if !strings.HasSuffix(left(shown), "\nall good\n") || strings.Count(left(shown), prompt) != 1 {
		t.Errorf("left on the terminal:\n%s", left(shown))
	}
}

// connect asks before psql starts: two programs must not read one terminal.
func TestConnectAsksForMFABeforePsqlStarts(t *testing.T) {
	s, _ := rig.WithPerson(t, "mfa")
	c := rig.OpenClinic(t, nil, s.Emulator)
	bin := t.TempDir()
	psql := "#!/bin/sh\necho psql starts\nread line\necho \"psql reads: $line\"\n"
	if err := os.WriteFile(filepath.Join(bin, "psql"), []byte(psql), 0o700); err != nil {
		t.Fatal(err)
	}
	c.Env = func(env []string) []string { return append(s.Env(env), "PATH="+bin+":"+os.Getenv("PATH")) }
	shown, code := screen(c, rig.MFACode+"\nselect 1;\n", "connect", c.Target("user=app_user"))
	question := strings.Index(shown, "MFA code for "+rig.MFADevice)
	starts := strings.Index(shown, "psql starts")
	if code != 0 || question < 0 || starts < question || !strings.Contains(shown, "psql reads: select 1;") {
		t.Errorf("code %d, want the question, then psql with what was typed for it\n%s", code, shown)
	}
}

// Ctrl-C ends the walk with what a shell expects, and the session that it has.
func TestDoctorIsInterrupted(t *testing.T) {
	for flag, want := range map[string]string{
		"--json=false": "\ninterrupted at stream\n",
		"--json":       `{"result":"interrupted","failed_stage":"stream","exit_code":130}` + "\n",
	} {
		t.Run(flag, func(t *testing.T) {
			silent, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer silent.Close()
			c := rig.OpenClinic(t, nil, nil)
			c.AWS.SetHost(lab.Endpoint, silent.Addr().String())
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, rig.Shared.Binary, "doctor", c.Target("user=app_user"), flag)
			cmd.Env = append(rig.Shared.Keys.Env(c.AWS.URL()), "HOME="+t.TempDir())
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			conn, err := silent.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			cmd.Process.Signal(os.Interrupt)
			_ = cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != 130 || !strings.HasSuffix(out.String(), want) || strings.Contains(out.String(), "FAIL") {
				t.Errorf("ended with %d, want 130 and %q\n%s", code, want, &out)
			}
		})
	}
}
