package access

import (
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
)

// On a machine with a balancer, clients on loopback lack the header that it sends. psql
// says so, and exec goes by the Unix socket.
func TestClientsBesideABalancer(t *testing.T) {
	w := rig.Start(t, rig.Setup{Flags: []string{"--proxy-protocol", "--allow-anyone"}})
	for _, mode := range []string{"disable", "require"} {
		_, errs, err := rig.Psql(t, w.Conninfo("sslmode="+mode), "-c", "select 1")
		if err == nil || !strings.Contains(errs, "connections from 127.0.0.1 must begin with a PROXY protocol header") || !strings.Contains(errs, "use the Unix socket") {
			t.Errorf("psql with sslmode=%s: %v: %s", mode, err, errs)
		}
	}
	for _, args := range [][]string{
		{"exec", lab.Host, "--", "psql", "-XAtw", "-U", "app_user", "-d", "app", "-c", "select current_user"},
		{"connect", lab.Host, "--", "-XAtw", "-U", "app_user", "-d", "app", "-c", "select current_user"},
	} {
		out, errs, code := rig.Run(t, append(rig.Shared.Keys.Env(w.AWS.URL()), "HOME="+w.Home), args...)
		if code != 0 || strings.TrimSpace(out) != "app_user" {
			t.Errorf("%s: exit code %d: %s%s", args[0], code, out, errs)
		}
	}
}
