package rdsproxy

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// TestNewerProtocolIsNegotiatedHere is a client as libpq 19 is: a version that nobody has,
// and a protocol option that nobody knows.
func TestNewerProtocolIsNegotiatedHere(t *testing.T) {
	w := rig.Start(t, rig.Pooled(rig.StartRDSProxy(t, nil)))
	c, err := net.Dial("tcp", w.Proxy.Addresses()[0])
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(rig.ErrorLimit))
	body := binary.BigEndian.AppendUint32(nil, 3<<16|9999)
	body = append(body, "user\x00"+pgserver.AppUser+"\x00database\x00"+pgserver.Database+"\x00_pq_.test_protocol_negotiation\x00\x00search_path\x00shop\x00\x00"...)
	if _, err := c.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body)+4)), body...)); err != nil {
		t.Fatal(err)
	}
	want := []byte("v\x00\x00\x00\x2b\x00\x03\x00\x00\x00\x00\x00\x01_pq_.test_protocol_negotiation\x00")
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("got %q, %v, want %q", got, err, want)
	}
	front := pgproto3.NewFrontend(c, c)
	var kinds []byte
	for {
		msg, err := front.Receive()
		if err != nil {
			t.Fatalf("after %q: %v", kinds, err)
		}
		switch msg := msg.(type) {
		case *pgproto3.AuthenticationOk:
			kinds = append(kinds, 'R')
		case *pgproto3.ParameterStatus:
		case *pgproto3.ReadyForQuery:
			if string(kinds) != "R" || msg.TxStatus != 'I' {
				t.Errorf("messages %q, then ReadyForQuery %q", kinds, msg.TxStatus)
			}
			return
		default: // BackendKeyData, or what belongs to the proxy's own query
			t.Fatalf("got a %T", msg)
		}
	}
}

// TestCancelWithoutAKey is a client that presses Ctrl-C all the same.
func TestCancelWithoutAKey(t *testing.T) {
	pool := rig.StartRDSProxy(t, nil)
	w := rig.Start(t, rig.Pooled(pool))
	conn := w.Connect("")
	if pid := conn.PgConn().PID(); pid != 0 {
		t.Errorf("the client was given process id %d", pid)
	}
	if err := conn.PgConn().CancelRequest(t.Context()); err != nil {
		t.Errorf("cancel request: %v", err)
	}
	w.AwaitLine("cancel request not delivered: the server sent its client no cancel key")
	if n := pool.Stats().Cancels; n != 0 {
		t.Errorf("%d cancel requests were sent to the proxy", n)
	}
	var one int
	if err := conn.QueryRow(t.Context(), "select 1").Scan(&one); err != nil {
		t.Error(err)
	}
}

// TestTokenIsNotSentUnasked logs in often enough that one would be, elsewhere.
func TestTokenIsNotSentUnasked(t *testing.T) {
	pool := rig.StartRDSProxy(t, nil)
	w := rig.Start(t, rig.Pooled(pool))
	for range 4 {
		w.Query("", "select 1")
	}
	logins := pool.Stats().Logins
	for _, login := range logins {
		if login.Refused != "" {
			t.Errorf("refused: %s", login.Refused)
		}
	}
	if len(logins) != 4 || strings.Contains(w.Proxy.Output(), "without an early token") {
		t.Errorf("%d logins for 4 clients\n%s", len(logins), w.Proxy.Output())
	}
}
