package integration

import (
	"net"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgkeyless/pgkeyless/causes"
)

func TestEveryCauseAtTheProxyItself(t *testing.T) {
	showCauses(t, []causes.Cause{causes.BadStartup, causes.OldProtocol, causes.NoUser}, map[string]way{
		causes.BadStartup.Name: {meet: sayFirst([]byte{0, 0, 0, 7, 0, 3, 0})},
		causes.OldProtocol.Name: {
			meet:  sayFirst([]byte{0, 0, 0, 9, 0, 2, 0, 0, 0}),
			facts: []string{"2.0"},
		},
		causes.NoUser.Name: {meet: sayFirst([]byte{0, 0, 0, 9, 0, 3, 0, 0, 0})},
	})
}

// sayFirst is a client that sends packet in place of a StartupMessage.
func sayFirst(packet []byte) func(*testing.T, *world) *pgconn.PgError {
	return func(t *testing.T, w *world) *pgconn.PgError {
		t.Helper()
		c, err := net.Dial("tcp", w.proxy.Addresses()[0])
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write(packet); err != nil {
			t.Fatal(err)
		}
		message, err := pgproto3.NewFrontend(c, c).Receive()
		if err != nil {
			t.Fatal(err)
		}
		said, ok := message.(*pgproto3.ErrorResponse)
		if !ok {
			t.Fatalf("got %T, want an ErrorResponse", message)
		}
		return pgconn.ErrorResponseToPgError(said)
	}
}
