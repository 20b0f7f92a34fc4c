package hostile

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/integration/rig"
)

// psqlAs runs psql as another user of this machine.
func psqlAs(t *testing.T, name, conninfo string) (stdout, stderr string, err error) {
	t.Helper()
	cmd := rig.PsqlCommand(t.Context(), conninfo, "-c", "select current_user")
	rig.RunAs(t, name, cmd)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return strings.TrimSpace(out.String()), errs.String(), err
}

// Another user of this machine gets nowhere over TCP, on either address, in TLS or
// without; one that --allow-users names does.
func TestOtherUserGetsNowhere(t *testing.T) {
	w := rig.Start(t, rig.Setup{})
	_, port, err := net.SplitHostPort(w.Proxy.Addresses()[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"127.0.0.1", "::1"} {
		for _, mode := range []string{"disable", "require"} {
			conninfo := fmt.Sprintf("host=%s port=%s user=app_user dbname=app sslmode=%s", host, port, mode)
			out, errs, err := psqlAs(t, "nobody", conninfo)
			if err == nil || out != "" {
				t.Errorf("%s: nobody is let in: %q", conninfo, out)
			}
			for _, want := range []string{"this proxy is for root only, and this client belongs to nobody", "--allow-users nobody"} {
				if !strings.Contains(errs, want) {
					t.Errorf("%s: psql says %q, want %q", conninfo, errs, want)
				}
			}
		}
	}
	if n := len(w.AWS.Sessions()); n != 0 {
		t.Errorf("%d SSM sessions were started for somebody else", n)
	}
	if got := w.Query("", rig.WhoAmI); got != rig.ItsMe {
		t.Errorf("the owner gets %q", got)
	}
	if _, _, err := psqlAs(t, "nobody", fmt.Sprintf("host=%s port=%s user=app_user dbname=app", w.Home, port)); err == nil {
		t.Error("nobody is let in over the Unix socket")
	}
}

func TestAllowUsers(t *testing.T) {
	for _, names := range []string{"nobody", "any", "65533,65534"} {
		w := rig.Start(t, rig.Setup{Flags: []string{"--allow-users", names}})
		host, port, err := net.SplitHostPort(w.Proxy.Addresses()[0])
		if err != nil {
			t.Fatal(err)
		}
		out, errs, err := psqlAs(t, "nobody", fmt.Sprintf("host=%s port=%s user=app_user dbname=app", host, port))
		if err != nil || out != "app_user" {
			t.Errorf("--allow-users %s: %q, %v: %s", names, out, err, errs)
		}
	}
	if _, stderr, code := rig.Run(t, nil, "db.example.com?via=none", "--port", "0", "--allow-users", "no such"); code != 1 || !strings.Contains(stderr, `no user "no such"`) {
		t.Errorf("an unknown user: exit code %d: %s", code, stderr)
	}
}
