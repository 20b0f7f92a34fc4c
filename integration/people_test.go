//go:build linux

package integration

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
)

const (
	personKey    = "AKIAPERSON0123456789" // a long-term key that may assume the role, with a code
	personSecret = "person-secret-access-key"
	mfaRole      = "arn:aws:iam::" + lab.Account + ":role/developer"
	mfaDevice    = "arn:aws:iam::" + lab.Account + ":mfa/ada"
	mfaCode      = "271828"
	ssoStart     = "https://corp.awsapps.com/start"
	ssoRole      = "developer"

	personConfig = `[profile person]
aws_access_key_id = ` + personKey + `
aws_secret_access_key = ` + personSecret + `
region = ` + lab.Region + `
[profile mfa]
role_arn = ` + mfaRole + `
source_profile = person
mfa_serial = ` + mfaDevice + `
region = ` + lab.Region + `
[profile other]
role_arn = arn:aws:iam::` + lab.Account + `:role/other
source_profile = person
region = ` + lab.Region + `
[profile login]
login_session = arn:aws:iam::` + lab.Account + `:user/ada
region = ` + lab.Region + `
[profile process]
credential_process = echo nothing that anybody should see; exit 3
region = ` + lab.Region + `
[profile sso]
sso_session = corp
sso_account_id = ` + lab.Account + `
sso_role_name = ` + ssoRole + `
region = ` + lab.Region + `
[sso-session corp]
sso_start_url = ` + ssoStart + `
sso_region = ` + lab.Region + `
sso_registration_scopes = sso:account:access
`
)

// withPerson is a setup in which the database's keys are those of a role: one
// that wants an MFA code, and one of an Identity Center.
func withPerson(t *testing.T, profile string, flags ...string) (setup, string) {
	home := t.TempDir()
	file := filepath.Join(home, "config")
	temporary := fmt.Sprintf("[profile temporary]\naws_access_key_id = %s\naws_secret_access_key = %s\naws_session_token = %s\nregion = %s\n",
		shared.keys.AccessKeyID, shared.keys.SecretAccessKey, shared.keys.SessionToken, lab.Region)
	if err := os.WriteFile(file, []byte(personConfig+temporary), 0o600); err != nil {
		t.Fatal(err)
	}
	return setup{
		emulator: func(c *awsemu.Config) {
			c.Callers[personKey] = awsemu.Caller{SecretAccessKey: personSecret, ARN: "arn:aws:iam::" + lab.Account + ":user/ada"}
			c.Roles = map[string]awsemu.Role{mfaRole: {AccessKey: shared.keys.AccessKeyID, Device: mfaDevice, Code: mfaCode}}
			c.SSO = &awsemu.SSO{StartURL: ssoStart, RoleName: ssoRole, AccessKey: shared.keys.AccessKeyID, Refresh: true}
		},
		env: func(env []string) []string {
			env = without("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CONFIG_FILE", "HOME")(env)
			for _, v := range env { // the SDK's own STS and SSO clients do not look at AWS_ENDPOINT_URL
				if url, ok := strings.CutPrefix(v, "AWS_ENDPOINT_URL="); ok {
					env = append(env, "AWS_ENDPOINT_URL_STS="+url, "AWS_ENDPOINT_URL_SSO="+url)
				}
			}
			return append(env, "AWS_CONFIG_FILE="+file, "AWS_PROFILE="+profile, "HOME="+home)
		},
		change: func(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }, // no terminal
		flags:  flags,
	}, home
}

// burst logs ten clients in at once.
func burst(w *world) {
	w.t.Helper()
	var clients sync.WaitGroup
	for range 10 {
		clients.Go(func() {
			conn, err := w.tryConnect("")
			if err != nil {
				w.t.Errorf("one of ten clients: %v", err)
				return
			}
			conn.Close(w.t.Context())
		})
	}
	clients.Wait()
}

func TestMFAByCommand(t *testing.T) {
	dir := t.TempDir()
	asked := filepath.Join(dir, "asked")
	script := filepath.Join(dir, "code")
	text := "#!/bin/sh\necho \"$PGKEYLESS_MFA_SERIAL $PGKEYLESS_MFA_PROFILE $*\" >> " + asked + "\necho " + mfaCode + "\n"
	if err := os.WriteFile(script, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	s, _ := withPerson(t, "mfa", "--mfa-command", script+" one two")
	w := start(t, s)
	burst(w)
	got, err := os.ReadFile(asked)
	if want := mfaDevice + " mfa one two\n"; err != nil || string(got) != want {
		t.Errorf("the command was asked %q (%v), want once %q", got, err, want)
	}
	if n := w.aws.RolesAssumed(); n != 1 {
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
	s, _ := withPerson(t, "mfa", "--mfa-command", script)
	w := start(t, s)
	w.mustRefuse("mfa-refused", "28000", "the MFA code was not accepted", "MultiFactorAuthentication failed", "reconnect")
	say("echo not a code; exit 0")
	w.mustRefuse("mfa-unanswered", "28000", "no MFA code was given", "not a code of six digits", "six digits")
	say("exit 3")
	w.mustRefuse("mfa-unanswered", "28000", "no MFA code was given", "exit status 3", "mfa-command")
	say("echo " + mfaCode)
	burst(w)
}

func TestMFAOnTheTerminal(t *testing.T) {
	master, slave := openPTY(t)
	s, _ := withPerson(t, "mfa")
	s.change = func(cmd *exec.Cmd) {
		cmd.Stdin = slave
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	}
	w := start(t, s)
	said := make(chan string, 1)
	go func() { // ends at the test's end, when the terminal is closed
		var all strings.Builder
		b := make([]byte, 1024)
		for {
			n, err := master.Read(b)
			all.Write(b[:n])
			if strings.HasSuffix(all.String(), "): ") {
				fmt.Fprintln(master, mfaCode)
			}
			if err != nil {
				said <- all.String()
				return
			}
		}
	}()
	burst(w)
	w.end(0)
	slave.Close()
	master.SetReadDeadline(time.Now())
	got := <-said
	if want := "MFA code for " + mfaDevice + ` (profile "mfa"): `; strings.Count(got, want) != 1 {
		t.Errorf("the terminal showed %q, want %q once", got, want)
	}
	if n := w.aws.RolesAssumed(); n != 1 {
		t.Errorf("the role was assumed %d times, want once", n)
	}
}

// openPTY makes a pseudo-terminal.
func openPTY(t *testing.T) (master, slave *os.File) {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	master = os.NewFile(uintptr(fd), "/dev/ptmx")
	t.Cleanup(func() { master.Close() })
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	if slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close() })
	return master, slave
}

// TestMFAWithNobodyToAsk: without a terminal or a command it does not start.
func TestMFAWithNobodyToAsk(t *testing.T) {
	s, home := withPerson(t, "mfa")
	cmd := exec.CommandContext(t.Context(), shared.binary, "serve", lab.TargetArg(shared.database.CAFile()), "--port", "0", "--unix-socket", "none")
	cmd.Env = s.env([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + home})
	s.change(cmd)
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "neither a terminal nor an mfa-command to ask") || !strings.Contains(string(out), "hint: start pgkeyless on a terminal, or give --mfa-command CMD") {
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
	s, home := withPerson(t, "sso", "--sso-login")
	env := s.env
	s.env = func(v []string) []string { return append(env(v), "PATH="+bin+":"+os.Getenv("PATH")) }
	w := start(t, s)
	allowLogin(t, w)
	burst(w)
	if n := w.aws.SSOLogins(); n != 1 {
		t.Errorf("%d logins begun, want 1", n)
	}
	awaitFile(t, opened) // a browser is not waited for
	if got, err := os.ReadFile(opened); err != nil || strings.Count(string(got), w.aws.URL()+"/device?user_code=") != 1 || strings.Count(string(got), "\n") != 1 {
		t.Errorf("the browser was opened at %q (%v), want once at the page", got, err)
	}
	checkSSOCache(t, home, w)
}

// awaitFile waits until there is something in the file at path.
func awaitFile(t *testing.T, path string) {
	t.Helper()
	for late := time.After(30 * time.Second); ; {
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

// allowLogin opens the page of the next SSO login, which allows it.
func allowLogin(t *testing.T, w *world) {
	go func() { // ends with the test's context at the latest
		line, err := w.proxy.AwaitLine(t.Context(), "log in to AWS for profile")
		if err != nil {
			return
		}
		_, page, _ := strings.Cut(line, "open ")
		if answer, err := http.Get(page); err == nil {
			answer.Body.Close()
		}
	}()
}

// denyLogin denies the next SSO login.
func denyLogin(t *testing.T, w *world) {
	go func() { // ends with the test's context at the latest
		line, err := w.proxy.AwaitLine(t.Context(), "shows the code")
		if err != nil {
			return
		}
		w.aws.DenySSO(line[strings.LastIndexByte(line, ' ')+1:])
	}()
}

// checkSSOCache reads what other tools are to find.
func checkSSOCache(t *testing.T, home string, w *world) {
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
	if got["startUrl"] != ssoStart || got["region"] != lab.Region {
		t.Errorf("start URL %q in %q", got["startUrl"], got["region"])
	}
	for _, name := range []string{"accessToken", "refreshToken", "clientSecret"} {
		if strings.Contains(w.proxy.Output(), got[name]) {
			t.Errorf("%s printed", name)
		}
	}
	if end, err := time.Parse(time.RFC3339, got["expiresAt"]); err != nil || time.Until(end) < 7*time.Hour {
		t.Errorf("expires %q, want in 8 hours", got["expiresAt"])
	}
}

// A login that is denied fails those that wait, and opens no second page at once.
func TestSSOLoginDenied(t *testing.T) {
	s, _ := withPerson(t, "sso", "--sso-login")
	w := start(t, s)
	denyLogin(t, w)
	w.mustRefuse("sso-login-failed", "28000", "came to nothing", "denied in the browser", "aws sso login --profile sso")
	w.mustRefuse("sso-login-failed", "28000", "came to nothing", "denied in the browser", "reconnect")
	if n := w.aws.SSOLogins(); n != 1 {
		t.Errorf("%d logins begun, want 1: the second client came right after", n)
	}
}

func TestStaleEnvironmentIsNoticed(t *testing.T) {
	s, home := withPerson(t, "")
	s.env = func(env []string) []string {
		return append(env, "AWS_PROFILE=person", "AWS_CONFIG_FILE="+filepath.Join(home, "config"))
	}
	w := start(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := w.proxy.AwaitLine(ctx, "(AWS_SESSION_TOKEN) go before AWS_PROFILE=person"); err != nil {
		t.Error(err)
	}
}
