package login

import (
	"io"
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
)

// Commands that log in for one program, or for themselves, do so for as long as
// they are told, as serve does.
func TestCommandsKeepTheLoginTimeout(t *testing.T) {
	t.Parallel()
	silent := rig.StartFakeDatabase(t, lab.Host, func(c io.ReadWriter) { io.Copy(io.Discard, c) })
	c := rig.OpenClinic(t, nil, func(cfg *awsemu.Config) { cfg.Hosts[lab.Endpoint] = silent.Address() })
	target := c.Target("user=app_user", "dbname=app")
	// On a busy machine, the way to the database takes some of that time.
	for _, args := range [][]string{
		{"doctor", target},
		{"connect", target, "--", "-c", "select 1"},
		{"exec", target, "--", "psql", "-c", "select 1"},
	} {
		t.Run(args[0], func(t *testing.T) {
			stdout, stderr, code := c.Run(append([]string{args[0], "--login-timeout", "10s"}, args[1:]...)...)
			if code == 0 || !strings.Contains(stdout+stderr, "login not finished within 10s") {
				t.Errorf("ended with %d, stderr %q\n%s", code, stderr, stdout)
			}
		})
	}
}
