package rig

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu/gateway"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
)

// Run runs the binary to its end.
func Run(t *testing.T, env []string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	return RunIn(t, "", env, args...)
}

// RunIn does so in a working directory.
func RunIn(t *testing.T, dir string, env []string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*Limit) // it may itself wait for a minute
	defer cancel()
	cmd := exec.CommandContext(ctx, Shared.Binary, args...)
	cmd.Dir = dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), lab.QuickExit}, env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// CheckToken logs in with token by psql, without pgkeyless.
func CheckToken(t *testing.T, token string) {
	t.Helper()
	host, port, err := net.SplitHostPort(Shared.Database.Address())
	if err != nil {
		t.Fatal(err)
	}
	conninfo := "host=" + lab.Host + " hostaddr=" + host + " port=" + port + " dbname=app user=app_user sslmode=verify-full sslrootcert=" + Shared.Database.CAFile()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := PsqlCommand(ctx, conninfo, "-c", WhoAmI)
	cmd.Env = append(cmd.Env, "PGPASSWORD="+token)
	out, err := cmd.CombinedOutput()
	if got := strings.TrimSpace(string(out)); err != nil || got != ItsMe {
		t.Errorf("psql with the token: %q, %v", got, err)
	}
}

// Without removes variables from an environment.
func Without(names ...string) func([]string) []string {
	return func(env []string) []string {
		var kept []string
		for _, v := range env {
			name, _, _ := strings.Cut(v, "=")
			drop := false
			for _, n := range names {
				drop = drop || n == name
			}
			if !drop {
				kept = append(kept, v)
			}
		}
		return kept
	}
}

// ClosedPort is an address that nobody listens on. A port that was free a moment ago
// may be given to somebody else.
const ClosedPort = "127.0.0.1:1"

// Cloud is an emulator without a pgkeyless: the test runs that itself.
type Cloud struct {
	t   *testing.T
	AWS *awsemu.Emulator
	Env []string
}

// StartCloud starts one, and ends it at the test's end.
func StartCloud(t *testing.T) *Cloud {
	t.Helper()
	aws, err := lab.StartAWS(Shared.Keys, Shared.Database.Address(), func(c *awsemu.Config) { c.Pace, c.AckWithin = -1, 15*time.Second })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { aws.Close() })
	home, err := os.MkdirTemp("", "pgk-") // short enough for sockets in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(home) })
	return &Cloud{t, aws, append(Shared.Keys.Env(aws.URL()), "HOME="+home, "TMPDIR="+home, "PGPASSFILE=/nonexistent", "LC_ALL=C")}
}

// Run runs pgkeyless to its end, after which no session and no file may be left.
func (c *Cloud) Run(args ...string) (stdout, stderr string, code int) {
	c.t.Helper()
	stdout, stderr, code = Run(c.t, c.Env, args...)
	ctx, cancel := context.WithTimeout(c.t.Context(), Limit)
	defer cancel()
	if err := c.AWS.Await(ctx, gateway.AllEnded); err != nil {
		c.t.Errorf("SSM session(s) left open: %+v", c.AWS.Sessions())
	}
	CheckOutput(c.t, stdout+stderr)
	return stdout, stderr, code
}
