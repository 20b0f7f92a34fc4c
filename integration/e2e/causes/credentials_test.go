//go:build linux

package causes

import (
	"fmt"
	"net/http"
	"net/http/httptest"
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
	"github.com/pgkeyless/pgkeyless/internal/causes"
)

func TestEveryCauseOfTheCredentials(t *testing.T) {
	as := func(profile string, flags ...string) rig.Setup {
		s, _ := rig.WithPerson(t, profile, flags...)
		return s
	}
	proving, certs := provingClients(t)
	showCauses(t, causes.Credentials(), map[string]way{
		causes.NoCredentials.Name: {
			setup: rig.Setup{Env: withoutKeys},
			facts: []string{"no profile is named", "the environment (AWS_ACCESS_KEY_ID)", `profile "default" of /nonexistent/config`, "(AWS_EC2_METADATA_DISABLED)"},
		},
		causes.NoProfile.Name: editedLater(t, "person", "[profile person]", "[profile renamed]",
			`from profile "person"`),
		causes.BrokenConfiguration.Name: editedLater(t, "person", "aws_secret_access_key = "+rig.PersonSecret+"\n", "",
			`profile "person" has aws_access_key_id without aws_secret_access_key`, "aws_access_key_id in [profile person] of /"),
		causes.SSOExpired.Name: {
			setup: as("sso"),
			facts: []string{`from profile "sso"`, "`aws sso login --profile sso`", "cached SSO token"},
		},
		causes.SSORoleRefused.Name: {
			setup: emulating(as("sso", "--sso-login"), func(c *awsemu.Config) { c.SSO.RoleName = "reader" }),
			arm:   rig.AllowLogin,
			facts: []string{`from profile "sso"`, "`aws sso login --profile sso`", "No access"},
		},
		causes.SSOLoginWaiting.Name: {
			setup: as("sso", "--sso-login", "--login-timeout", "15s"),
			facts: []string{`from profile "sso"`, "http://127.0.0.1:", "/device?user_code="},
		},
		causes.SSOLoginFailed.Name: {
			setup: as("sso", "--sso-login"),
			arm:   rig.DenyLogin,
			facts: []string{`from profile "sso"`, "`aws sso login --profile sso`", "access was denied in the browser"},
		},
		causes.LoginExpired.Name: {
			setup: as("login"),
			facts: []string{`from profile "login"`, "`aws login --profile login`", "login token"},
		},
		causes.KeysExpired.Name: {
			setup: emulating(as("temporary"), callerIs(func(c *awsemu.Caller) { c.Expired = true })),
			facts: []string{`from profile "temporary"`, "The security token included in the request is expired"},
		},
		causes.KeysUnknown.Name: {
			setup: emulating(as("temporary"), func(c *awsemu.Config) { delete(c.Callers, rig.Shared.Keys.AccessKeyID) }),
			facts: []string{`from profile "temporary"`, "The security token included in the request is invalid"},
		},
		causes.ShadowingKeys.Name: shadowed(emulating(as("temporary"), callerIs(func(c *awsemu.Caller) { c.Expired = true }))),
		causes.EnvironmentKeys.Name: {
			setup: rig.Setup{Emulator: callerIs(func(c *awsemu.Caller) { c.Expired = true })},
			facts: []string{"in the environment: they have expired", "The security token included in the request is expired"},
		},
		causes.SignatureRefused.Name: {
			setup: emulating(as("temporary"), callerIs(func(c *awsemu.Caller) { c.SecretAccessKey = "another" })),
			facts: []string{`from profile "temporary"`, "does not match the signature you provided"},
		},
		causes.RoleRefused.Name: {
			setup: as("other"),
			facts: []string{`from profile "other"`, "not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::" + lab.Account + ":role/other", "get-caller-identity --profile other"},
		},
		causes.PersonRoleRefused.Name: {
			setup:  mapped(t, proving("cert"), "bob: {database-users: app_user, role-arn: \"arn:aws:iam::"+lab.Account+":role/other\"}"),
			client: "sslmode=require " + certs["bob"],
			facts:  []string{"role arn:aws:iam::" + lab.Account + ":role/other", "session name bob;", "not authorized to perform: sts:AssumeRole"},
		},
		causes.MFAUnanswerable.Name: editedLater(t, "other", "role_arn = arn:aws:iam::"+lab.Account+":role/other", "role_arn = "+rig.MFARole+"\nmfa_serial = "+rig.MFADevice,
			`from profile "other"`),
		causes.MFARefused.Name: {
			setup: as("mfa", "--mfa-command", "echo 000000"),
			facts: []string{`from profile "mfa"`, "MultiFactorAuthentication failed"},
		},
		causes.MFAUnanswered.Name: {
			setup: as("mfa", "--mfa-command", "false"),
			facts: []string{`from profile "mfa"`, "exit status 1"},
		},
		causes.MFAWaiting.Name: {
			setup: onTerminal(t, as("mfa", "--login-timeout", "15s")),
			facts: []string{`from profile "mfa"`, rig.MFADevice},
		},
		causes.CredentialProcess.Name: {
			setup: as("process"),
			facts: []string{`from profile "process"`, "exit status 3", `the credential_process of profile "process"`},
		},
		causes.CredentialsUnreachable.Name: {
			setup: withEnv(as("other"), "AWS_ENDPOINT_URL_STS=http://"+rig.ClosedPort),
			facts: []string{`from profile "other"`, "connection refused"},
		},
		causes.CredentialsSlow.Name: {
			setup: as("other", "--login-timeout", "10s"),
			arm:   func(_ *testing.T, w *rig.World) { w.AWS.SlowNext("AssumeRole", time.Minute, -1) },
			facts: []string{`from profile "other"`, "deadline exceeded"},
		},
		causes.CredentialsFailed.Name: {
			setup: rig.Setup{Env: func(env []string) []string {
				return append(withoutKeys(env), "AWS_CONTAINER_CREDENTIALS_FULL_URI="+brokenContainer(t))
			}},
			facts: []string{"the container has no role today", "get-caller-identity"},
		},
	})
}

var withoutKeys = rig.Without("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")

// editedLater is a way in which the shared configuration changes once pgkeyless
// runs, for what it would not have started with.
func editedLater(t *testing.T, profile, before, after string, facts ...string) way {
	s, home := rig.WithPerson(t, profile)
	return way{
		setup: s,
		arm: func(t *testing.T, _ *rig.World) {
			if err := os.WriteFile(filepath.Join(home, "config"), []byte(strings.Replace(rig.PersonConfig, before, after, 1)), 0o600); err != nil {
				t.Fatal(err)
			}
		},
		facts: facts,
	}
}

// shadowed is a way in which the profile temporary, whose keys have ended, has a
// credential_process, too.
func shadowed(s rig.Setup) way {
	return way{
		setup: s,
		arm: func(t *testing.T, w *rig.World) {
			var file string
			for _, v := range s.Env(nil) {
				if path, ok := strings.CutPrefix(v, "AWS_CONFIG_FILE="); ok {
					file = path
				}
			}
			text, err := os.ReadFile(file)
			if err == nil {
				err = os.WriteFile(file, append(text, "credential_process = true\n"...), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		},
		facts: []string{"they have expired, and override the profile's credential_process in [profile temporary] of /", "remove aws_access_key_id"},
	}
}

// emulating is s with a further change of the emulator.
func emulating(s rig.Setup, change func(*awsemu.Config)) rig.Setup {
	before := s.Emulator
	s.Emulator = func(c *awsemu.Config) {
		before(c)
		change(c)
	}
	return s
}

// withEnv is s with further variables, which go before others of their names.
func withEnv(s rig.Setup, variables ...string) rig.Setup {
	before := s.Env
	s.Env = func(env []string) []string { return append(before(env), variables...) }
	return s
}

// callerIs changes what the emulator knows of the one caller's keys.
func callerIs(change func(*awsemu.Caller)) func(*awsemu.Config) {
	return func(c *awsemu.Config) {
		caller := c.Callers[rig.Shared.Keys.AccessKeyID]
		change(&caller)
		c.Callers[rig.Shared.Keys.AccessKeyID] = caller
	}
}

// onTerminal is s on a terminal at which nobody types.
func onTerminal(t *testing.T, s rig.Setup) rig.Setup {
	_, slave := rig.OpenPTY(t)
	s.Change = func(cmd *exec.Cmd) {
		cmd.Stdin = slave
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	}
	return s
}

// brokenContainer is the URL of a container's credentials service that gives
// none.
func brokenContainer(t *testing.T) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"code":"NoRole","message":"the container has no role today"}`)
	}))
	t.Cleanup(server.Close)
	return server.URL
}
