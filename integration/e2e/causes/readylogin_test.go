package causes

import (
	"errors"
	"io"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
)

// readyLoginLost is a database that lets a client in, and the login that pgkeyless makes
// ready behind it. It ends that one as soon as the next client has it, and takes no more.
func readyLoginLost(t *testing.T) way {
	var logins atomic.Int32
	end := make(chan struct{})
	f := rig.StartFakeDatabase(t, lab.Host, func(c io.ReadWriter) {
		n := logins.Add(1)
		if n > 2 {
			words, _ := (&pgproto3.ErrorResponse{Severity: "FATAL", Code: "57P03", Message: "the database system is in recovery mode"}).Encode(nil)
			c.Write(words)
			return
		}
		c.Write([]byte{'R', 0, 0, 0, 8, 0, 0, 0, 0, 'Z', 0, 0, 0, 5, 'I'})
		if n == 2 {
			select {
			case <-end:
			case <-t.Context().Done():
			}
			return
		}
		io.Copy(io.Discard, c)
	})
	return way{
		setup: rig.Setup{Emulator: func(c *awsemu.Config) { c.Hosts[lab.Endpoint] = f.Address() }},
		meet: func(t *testing.T, w *rig.World) *pgconn.PgError {
			w.Connect("")
			w.AwaitLine("login made ready")
			conn := w.Connect("")
			close(end)
			var told *pgconn.PgError
			if _, err := conn.WaitForNotification(t.Context()); !errors.As(err, &told) {
				t.Fatalf("waiting: %v, want an ErrorResponse", err)
			}
			return told
		},
		facts: []string{lab.Host, "the database system is in recovery mode"},
	}
}
