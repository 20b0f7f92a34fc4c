package login

import (
	"context"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/integration/rig"
)

// pg_isready as a health check: it says that there is a server, and the log has no
// error for a login that was only a guess. A client that is refused is an error. So
// is what a health check need not do: the port is enough.
func TestHealthChecksAreNoErrors(t *testing.T) {
	t.Parallel()
	w := rig.Start(t, rig.Setup{})
	host, port, err := net.SplitHostPort(w.Proxy.Addresses()[0])
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for _, user := range []string{"root", "plain_user"} { // one that there is not, one without rds_iam
		out, err := exec.CommandContext(ctx, "pg_isready", "-h", host, "-p", port, "-U", user, "-t", "60").CombinedOutput()
		if err != nil || !strings.Contains(string(out), "accepting connections") {
			t.Errorf("pg_isready -U %s: %v, %s", user, err, out)
		}
	}
	w.AwaitLine(`info session ended`)
	c, err := net.Dial("tcp", w.Proxy.Addresses()[0]) // the probe that docs recommend
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	w.AwaitLine("debug client did not start a session")
	if text := w.Proxy.Output(); strings.Contains(text, " error ") || !strings.Contains(text, "pg_isready logs in as a user that it guesses") {
		t.Errorf("want no error, and the reason:\n%s", text)
	}
	w.Refused("user=plain_user")
	w.AwaitLine(" error session ended")
}
