//go:build linux

package people

import (
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
)

// burst logs ten clients in at once.
func burst(w *rig.World) {
	w.T.Helper()
	var clients sync.WaitGroup
	for range 10 {
		clients.Go(func() {
			conn, err := w.TryConnect("")
			if err != nil {
				w.T.Errorf("one of ten clients: %v", err)
				return
			}
			conn.Close(w.T.Context())
		})
	}
	clients.Wait()
}

func TestMFAByCommand(t *testing.T) {
	dir := t.TempDir()
	asked := filepath.Join(dir, "asked")
	script := filepath.Join(dir, "code")
	text := "#!/bin/sh\necho \"$PGKEYLESS_MFA_SERIAL $PGKEYLESS_MFA_PROFILE $*\" >> " + asked + "\necho " + rig.MFACode + "\n"
	if err := os.WriteFile(script, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	s, _ := rig.WithPerson(t, "mfa", "--mfa-command", script+" one two")
	w := rig.Start(t, s)
	burst(w)
	got, err := os.ReadFile(asked)
	if want := rig.MFADevice + " mfa one two\n"; err != nil || string(got) != want {
		t.Errorf("the command was asked %q (%v), want once %q", got, err, want)
	}
	if n := w.AWS.RolesAssumed(); n != 1 {
		t.Errorf("the role was assumed %d times, want once", n)
	}
}

// A code that is not accepted, and a command that gives none, are failures of
// one login: the next asks again.
func TestMFARefusedAndUnanswered(t *testing.T) {
	dir := t.TempDir()
	script := filepath.Join(dir, "code")
	say := func(text string) {
		if err := os.WriteFile(script+".new", []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(script+".new", script); err != nil {
			t.Fatal(err)
		}
	}
	say("echo 000000")
	s, _ := rig.WithPerson(t, "mfa", "--mfa-command", script)
	w := rig.Start(t, s)
	w.MustRefuse("mfa-refused", "28000", "the MFA code was not accepted", "MultiFactorAuthentication failed", "reconnect")
	say("echo not a code; exit 0")
	w.MustRefuse("mfa-unanswered", "28000", "no MFA code was given", "not a six-digit code", "six-digit")
	say("exit 3")
	w.MustRefuse("mfa-unanswered", "28000", "no MFA code was given", "exit status 3", "mfa-command")
	say("echo " + rig.MFACode)
	burst(w)
}

func TestMFAOnTheTerminal(t *testing.T) {
	master, slave := rig.OpenPTY(t)
	s, _ := rig.WithPerson(t, "mfa")
	s.Change = func(cmd *exec.Cmd) {
		cmd.Stdin = slave
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	}
	w := rig.Start(t, s)
	said := make(chan string, 1)
	go func() { // ends at the test's end, when the terminal is closed
		var all strings.Builder
		b := make([]byte, 1024)
		for {
			n, err := master.Read(b)
			all.Write(b[:n])
			if strings.HasSuffix(all.String(), "): ") {
				fmt.Fprintln(master, rig.MFACode)
			}
			if err != nil {
				said <- all.String()
				return
			}
		}
	}()
	burst(w)
	w.End()
	slave.Close()
	master.SetReadDeadline(time.Now())
	got := <-said
	if want := "MFA code for " + rig.MFADevice + ` (profile "mfa"): `; strings.Count(got, want) != 1 {
		t.Errorf("the terminal showed %q, want %q once", got, want)
	}
	if n := w.AWS.RolesAssumed(); n != 1 {
		t.Errorf("the role was assumed %d times, want once", n)
	}
}

// TestMFAWithNobodyToAsk: without a terminal or a command it does not start.
func TestMFAWithNobodyToAsk(t *testing.T) {
	s, home := rig.WithPerson(t, "mfa")
	cmd := exec.CommandContext(t.Context(), rig.Shared.Binary, "serve", lab.TargetArg(rig.Shared.Database.CAFile()), "--port", "0", "--unix-socket", "none")
	cmd.Env = s.Env([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + home})
	s.Change(cmd)
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "no terminal or mfa-command to get it from") || !strings.Contains(string(out), "hint: start pgkeyless on a terminal, or give --mfa-command CMD") {
		t.Errorf("%v, printed %q, want an error and what to do", err, out)
	}
}

// An SSO session that has expired is logged in to in the browser, once for all
// clients that wait.
func TestSSOLogin(t *testing.T) {
	bin := t.TempDir()
	opened := filepath.Join(bin, "opened")
	if err := os.WriteFile(filepath.Join(bin, "xdg-open"), []byte("#!/bin/sh\necho \"$1\" >> "+opened+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	s, home := rig.WithPerson(t, "sso", "--sso-login")
	env := s.Env
	s.Env = func(v []string) []string { return append(env(v), "PATH="+bin+":"+os.Getenv("PATH")) }
	w := rig.Start(t, s)
	rig.AllowLogin(t, w)
	burst(w)
	if n := w.AWS.SSOLogins(); n != 1 {
		t.Errorf("%d logins begun, want 1", n)
	}
	awaitFile(t, opened) // a browser is not waited for
	if got, err := os.ReadFile(opened); err != nil || strings.Count(string(got), w.AWS.URL()+"/device?user_code=") != 1 || strings.Count(string(got), "\n") != 1 {
		t.Errorf("the browser was opened at %q (%v), want once at the page", got, err)
	}
	checkSSOCache(t, home, w)
}

// awaitFile waits until there is something in the file at path.
func awaitFile(t *testing.T, path string) {
	t.Helper()
	for late := time.After(time.Minute); ; {
		if info, err := os.Stat(path); err == nil && info.Size() > 0 {
			return
		}
		select {
		case <-late:
			t.Fatalf("nothing was written to %s", path)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// checkSSOCache reads what other tools are to find.
func checkSSOCache(t *testing.T, home string, w *rig.World) {
	t.Helper()
	sum := sha1.Sum([]byte("corp"))
	path := filepath.Join(home, ".aws", "sso", "cache", hex.EncodeToString(sum[:])+".json")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the cache file has mode %v, want 0600", info.Mode())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"accessToken", "refreshToken", "clientId", "clientSecret", "registrationExpiresAt", "expiresAt"} {
		if got[name] == "" {
			t.Errorf("the cache file lacks %s", name)
		}
	}
	if got["startUrl"] != rig.SSOStart || got["region"] != lab.Region {
		t.Errorf("start URL %q in %q", got["startUrl"], got["region"])
	}
	for _, name := range []string{"accessToken", "refreshToken", "clientSecret"} {
		if strings.Contains(w.Proxy.Output(), got[name]) {
			t.Errorf("%s printed", name)
		}
	}
	if end, err := time.Parse(time.RFC3339, got["expiresAt"]); err != nil || time.Until(end) < 7*time.Hour {
		t.Errorf("expires %q, want in 8 hours", got["expiresAt"])
	}
}

// A login that is denied fails those that wait, and opens no second page at once.
func TestSSOLoginDenied(t *testing.T) {
	s, _ := rig.WithPerson(t, "sso", "--sso-login")
	w := rig.Start(t, s)
	rig.DenyLogin(t, w)
	w.MustRefuse("sso-login-failed", "28000", "failed", "denied in the browser", "aws sso login --profile sso")
	w.MustRefuse("sso-login-failed", "28000", "failed", "denied in the browser", "reconnect")
	if n := w.AWS.SSOLogins(); n != 1 {
		t.Errorf("%d logins begun, want 1: the second client came right after", n)
	}
}

func TestStaleEnvironmentIsNoticed(t *testing.T) {
	s, home := rig.WithPerson(t, "")
	s.Env = func(env []string) []string {
		return append(env, "AWS_PROFILE=person", "AWS_CONFIG_FILE="+filepath.Join(home, "config"))
	}
	w := rig.Start(t, s)
	w.AwaitLine("(AWS_SESSION_TOKEN) override AWS_PROFILE=person")
}

// A credential_process of its own process group may still ask on the terminal, and
// gives it back.
func TestCredentialProcessOnTheTerminal(t *testing.T) {
	master, slave := rig.OpenPTY(t)
	s, home := rig.WithPerson(t, "asking")
	keys := rig.Shared.Keys
	script := fmt.Sprintf("#!/bin/sh\nprintf 'Badge: ' > /dev/tty\nread badge < /dev/tty\n[ \"$badge\" = 4711 ] && echo '{\"Version\":1,\"AccessKeyId\":\"%s\",\"SecretAccessKey\":\"%s\",\"SessionToken\":\"%s\"}'\n",
		keys.AccessKeyID, keys.SecretAccessKey, keys.SessionToken)
	config := rig.PersonConfig + "[profile asking]\nregion = " + lab.Region + "\ncredential_process = " + filepath.Join(home, "badge") + "\n"
	for name, text := range map[string]string{"badge": script, "config": config} {
		if err := os.WriteFile(filepath.Join(home, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	s.Change = func(cmd *exec.Cmd) {
		cmd.Stdin = slave
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	}
	w := rig.Start(t, s)
	go func() { // ends at the test's end, when the terminal is closed
		var all strings.Builder
		b := make([]byte, 1024)
		for {
			n, err := master.Read(b)
			all.Write(b[:n])
			if strings.HasSuffix(all.String(), "Badge: ") {
				fmt.Fprintln(master, "4711")
			}
			if err != nil {
				return
			}
		}
	}()
	burst(w)
	group, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPGRP)
	if err != nil {
		t.Fatal(err)
	}
	if group != w.Proxy.PID() {
		t.Errorf("the terminal is process group %d's, want pgkeyless's, %d", group, w.Proxy.PID())
	}
}

// A credential_process has the time of a login, and its client is told what it
// waits for. The next one is told how the process ended.
func TestSlowCredentialProcess(t *testing.T) {
	s, home := rig.WithPerson(t, "slow", "--login-timeout", "10s") // of which a busy machine takes some to start it
	config := rig.PersonConfig + "[profile slow]\nregion = " + lab.Region + "\ncredential_process = echo 'touch your key' >&2; sleep 600\n"
	if err := os.WriteFile(filepath.Join(home, "config"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	w := rig.Start(t, s)
	if got, want := w.Refused(""), `the credential_process of profile "slow" has not finished`; got.Code != "57P03" || !strings.Contains(got.Detail, want) {
		t.Errorf("told %s %s, DETAIL %q, want %q", got.Code, got.Message, got.Detail, want)
	}
	w.AwaitLine(`warn credential_process says profile=slow line="touch your key"`)
}
