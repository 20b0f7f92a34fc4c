//go:build linux

package rig

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
)

// A person who has no keys of the account but gets them, and how.
const (
	personKey    = "AKIAPERSON0123456789" // a long-term key that may assume the role, with a code
	PersonSecret = "person-secret-access-key"
	MFARole      = "arn:aws:iam::" + lab.Account + ":role/developer"
	MFADevice    = "arn:aws:iam::" + lab.Account + ":mfa/ada"
	MFACode      = "271828"
	SSOStart     = "https://corp.awsapps.com/start"
	ssoRole      = "developer"

	PersonConfig = `[profile person]
aws_access_key_id = ` + personKey + `
aws_secret_access_key = ` + PersonSecret + `
region = ` + lab.Region + `
[profile mfa]
role_arn = ` + MFARole + `
source_profile = person
mfa_serial = ` + MFADevice + `
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
sso_start_url = ` + SSOStart + `
sso_region = ` + lab.Region + `
sso_registration_scopes = sso:account:access
`
)

// WithPerson is a setup in which the database's keys are those of a role: one
// that wants an MFA code, and one of an Identity Center.
func WithPerson(t *testing.T, profile string, flags ...string) (Setup, string) {
	home := t.TempDir()
	file := filepath.Join(home, "config")
	temporary := fmt.Sprintf("[profile temporary]\naws_access_key_id = %s\naws_secret_access_key = %s\naws_session_token = %s\nregion = %s\n",
		Shared.Keys.AccessKeyID, Shared.Keys.SecretAccessKey, Shared.Keys.SessionToken, lab.Region)
	if err := os.WriteFile(file, []byte(PersonConfig+temporary), 0o600); err != nil {
		t.Fatal(err)
	}
	return Setup{
		Emulator: func(c *awsemu.Config) {
			c.Callers[personKey] = awsemu.Caller{SecretAccessKey: PersonSecret, ARN: "arn:aws:iam::" + lab.Account + ":user/ada"}
			c.Roles = map[string]awsemu.Role{MFARole: {AccessKey: Shared.Keys.AccessKeyID, Device: MFADevice, Code: MFACode}}
			c.SSO = &awsemu.SSO{StartURL: SSOStart, RoleName: ssoRole, AccessKey: Shared.Keys.AccessKeyID, Refresh: true}
		},
		Env: func(env []string) []string {
			env = Without("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CONFIG_FILE", "HOME")(env)
			return append(env, "AWS_CONFIG_FILE="+file, "AWS_PROFILE="+profile, "HOME="+home)
		},
		Change: func(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }, // no terminal
		Flags:  flags,
	}, home
}

// OpenPTY makes a pseudo-terminal.
func OpenPTY(t *testing.T) (master, slave *os.File) {
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

// AllowLogin opens the page of the next SSO login, which allows it.
func AllowLogin(t *testing.T, w *World) {
	go func() { // ends with the test's context at the latest
		line, err := w.Proxy.AwaitLine(t.Context(), "log in to AWS for profile")
		if err != nil {
			return
		}
		_, page, _ := strings.Cut(line, "open ")
		if answer, err := http.Get(page); err == nil {
			answer.Body.Close()
		}
	}()
}

// DenyLogin denies the next SSO login.
func DenyLogin(t *testing.T, w *World) {
	go func() { // ends with the test's context at the latest
		line, err := w.Proxy.AwaitLine(t.Context(), "shows the code")
		if err != nil {
			return
		}
		w.AWS.DenySSO(line[strings.LastIndexByte(line, ' ')+1:])
	}()
}
