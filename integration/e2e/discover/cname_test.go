//go:build linux

package discover

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
)

const alias = "orders.corp.example"

// TestCNAMEStandsForItsEndpoint names the database by a CNAME. That only holds
// without a CA file, so no database here can be verified; but what is refused,
// and what tokens are made for, is the endpoint.
func TestCNAMEStandsForItsEndpoint(t *testing.T) {
	names := rig.StartNameServer(t, map[string]string{alias: lab.Host})
	w := rig.Start(t, rig.Setup{Args: []string{alias + "?" + rig.NoSpare + "&via=" + lab.Target}, Change: names.Asking})
	if out := w.Proxy.Output(); !strings.Contains(out, "the name is a CNAME; pgkeyless signs tokens and verifies the certificate for its endpoint") || !strings.Contains(out, "endpoint="+lab.Endpoint) {
		t.Errorf("the start does not tell the endpoint:\n%s", out)
	}
	w.MustRefuse("roots-unreachable", "08001", "certificate of "+alias+" is not trusted", "the roots of "+lab.Region, "ca-file")
	all := w.AWS.Sessions()
	if len(all) == 0 {
		t.Error("no SSM session")
	}
	for _, s := range all { // a second one beside one that is slow
		if s.Host != lab.Host {
			t.Errorf("SSM session %+v, want one to %s", s, lab.Host)
		}
	}
}

// TestTokenForACNAME takes the token to the database, which finds it signed for
// its endpoint.
func TestTokenForACNAME(t *testing.T) {
	names := rig.StartNameServer(t, map[string]string{alias: "writer." + alias, "writer." + alias: lab.Host})
	cmd := exec.CommandContext(t.Context(), rig.Shared.Binary, "token", alias, "--user", "app_user")
	cmd.Env = append(rig.Shared.Keys.Env("http://127.0.0.1:1"), "HOME="+t.TempDir(), "PATH=/usr/bin:/bin")
	names.Asking(cmd)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	rig.CheckToken(t, strings.TrimSpace(string(out)))
}
