package access

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgkeyless/pgkeyless/integration/rig"
)

// cancelAt sends the cancel request of a session to an address, which may be that of
// another replica, and waits until it has been acted on.
func cancelAt(t *testing.T, of *pgconn.PgConn, address string) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(rig.Limit))
	packet, err := (&pgproto3.CancelRequest{ProcessID: of.PID(), SecretKey: of.SecretKey()}).Encode(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(packet); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, c); err != nil {
		t.Fatal(err)
	}
}

// A cancel request that reaches another replica ends the query all the same, where that
// is switched on; the key is the database's own.
func TestCancelAtAnotherReplica(t *testing.T) {
	for _, forwards := range []bool{false, true} {
		var flags []string
		if forwards {
			flags = []string{"--forward-cancels"}
		}
		mine := rig.Start(t, rig.Setup{})
		other := rig.Start(t, rig.Setup{Flags: flags})
		conn := mine.Connect("")
		done := mine.Sleeping(conn)
		cancelAt(t, conn.PgConn(), other.Proxy.Addresses()[0])
		if !forwards {
			select {
			case err := <-done:
				t.Errorf("cancelled by a replica that does not forward: %v", err)
			default:
			}
			cancelAt(t, conn.PgConn(), mine.Proxy.Addresses()[0])
		}
		var said *pgconn.PgError
		if err := <-done; !errors.As(err, &said) || said.Code != "57014" {
			t.Errorf("forwards %v: the query ended with %v, want 57014", forwards, err)
		}
	}
}
