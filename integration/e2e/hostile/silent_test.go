//go:build linux

package hostile

import (
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
)

// TestSilentClientsWithFewFiles has more connections than the process may have files
// open say nothing: an honest client gets in as ever, and the log stays short.
func TestSilentClientsWithFewFiles(t *testing.T) {
	w := rig.Start(t, rig.Setup{
		Args: []string{lab.Host + "?dial=" + rig.Shared.Database.Address() + "&ca-file=" + rig.Shared.Database.CAFile()},
		Change: func(cmd *exec.Cmd) {
			cmd.Args = append([]string{"sh", "-c", `ulimit -n 256 && exec "$0" "$@"`, cmd.Path}, cmd.Args[1:]...)
			cmd.Path = "/bin/sh"
		},
	})
	for range 400 {
		c, err := net.Dial("tcp", w.Proxy.Addresses()[0])
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	began := time.Now()
	if got := w.Query("sslmode=disable", rig.WhoAmI); got != rig.ItsMe {
		t.Errorf("%q, want %q", got, rig.ItsMe)
	}
	if took := time.Since(began); took > rig.ErrorLimit {
		t.Errorf("an honest client waited %v", took)
	}
	if n := strings.Count(w.Proxy.Output(), "did not start a session") + strings.Count(w.Proxy.Output(), "accepting a client"); n > 2 {
		t.Errorf("%d lines for silent clients:\n%s", n, w.Proxy.Output())
	}
}
