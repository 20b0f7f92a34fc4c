package integration

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

const queryCanceled = "57014"

// sleeping runs a query that lasts until it is cancelled, and returns how it
// ended once the database is at it.
func (w *world) sleeping(conn *pgx.Conn) <-chan error {
	w.t.Helper()
	done := make(chan error, 1)
	pid := conn.PgConn().PID()
	go func() {
		_, err := conn.Exec(w.t.Context(), "select pg_sleep(120)")
		done <- err
	}()
	w.awaitSleep(pid)
	return done
}

// awaitSleep waits until backend pid is in pg_sleep.
func (w *world) awaitSleep(pid uint32) {
	w.t.Helper()
	w.awaitSleeper("pid = $1", int32(pid))
}

// awaitSleeper waits until a backend of which condition is true of $1 is in
// pg_sleep. Other tests' may be, too.
func (w *world) awaitSleeper(condition string, of any) {
	w.t.Helper()
	admin, err := w.database.AdminConn(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	defer admin.Close(context.Background())
	deadline := time.Now().Add(30 * time.Second)
	for time.Now().Before(deadline) {
		var n int
		err := admin.QueryRow(w.t.Context(), "select count(*) from pg_stat_activity where "+condition+" and wait_event = 'PgSleep'", of).Scan(&n)
		if err != nil {
			w.t.Fatal(err)
		}
		if n > 0 {
			return
		}
	}
	w.t.Fatal("the query never ran")
}

// awaitCanceled wants done to say query_canceled.
func awaitCanceled(t *testing.T, done <-chan error) {
	t.Helper()
	select {
	case err := <-done:
		var pe *pgconn.PgError
		if !errors.As(err, &pe) || pe.Code != queryCanceled {
			t.Errorf("query ended with %v, want %s", err, queryCanceled)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("query not cancelled")
	}
}

// TestCancel cancels one of two running queries, plain and inside TLS; the other
// goes on.
func TestCancel(t *testing.T) {
	for _, inTLS := range []bool{false, true} {
		t.Run(map[bool]string{false: "plain", true: "inside TLS"}[inTLS], func(t *testing.T) {
			w := start(t, setup{})
			conn, bystander := w.connect(""), w.connect("")
			done, other := w.sleeping(conn), w.sleeping(bystander)
			w.sendCancel(conn, inTLS)
			awaitCanceled(t, done)
			select {
			case err := <-other:
				t.Errorf("the other session's query ended too: %v", err)
			default:
			}
			var one int
			if err := conn.QueryRow(t.Context(), "select 1").Scan(&one); err != nil {
				t.Errorf("session after the cancel: %v", err)
			}
			w.sendCancel(bystander, inTLS)
			awaitCanceled(t, other)
		})
	}
}

// sendCancel sends the CancelRequest by hand, as libpq does, and waits for the
// server to close.
func (w *world) sendCancel(conn *pgx.Conn, inTLS bool) {
	w.t.Helper()
	c, err := net.Dial("tcp", w.proxy.Addresses()[0])
	if err != nil {
		w.t.Fatal(err)
	}
	defer c.Close()
	if inTLS {
		c = requireTLS(w.t, c, w.certificate())
	}
	msg, err := (&pgproto3.CancelRequest{ProcessID: conn.PgConn().PID(), SecretKey: conn.PgConn().SecretKey()}).Encode(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := c.Write(msg); err != nil {
		w.t.Fatal(err)
	}
	if rest, err := io.ReadAll(c); len(rest) > 0 || err != nil {
		w.t.Errorf("CancelRequest answered with %q, %v, want nothing and a close", rest, err)
	}
}

// certificate is the one that pgkeyless made for its clients' side, learned as
// sslmode=require would.
func (w *world) certificate() *x509.Certificate {
	w.t.Helper()
	conn := w.connect("sslmode=require")
	tc, ok := conn.PgConn().Conn().(*tls.Conn)
	if !ok {
		w.t.Fatalf("sslmode=require gave a %T", conn.PgConn().Conn())
	}
	return tc.ConnectionState().PeerCertificates[0]
}

// requireTLS asks for TLS with an SSLRequest and trusts cert alone.
func requireTLS(t *testing.T, c net.Conn, cert *x509.Certificate) net.Conn {
	t.Helper()
	request := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, 8), 80877103)
	answer := make([]byte, 1)
	if _, err := c.Write(request); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, answer); err != nil || answer[0] != 'S' {
		t.Fatalf("SSLRequest answered with %q, %v", answer, err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	tc := tls.Client(c, &tls.Config{RootCAs: roots, ServerName: "localhost", NextProtos: []string{"postgresql"}})
	if err := tc.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	return tc
}

// TestPsqlInterrupt presses Ctrl-C in psql.
func TestPsqlInterrupt(t *testing.T) {
	w := start(t, setup{})
	for _, mode := range []string{"disable", "require"} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		name := "interrupted, " + mode
		cmd := psqlCommand(ctx, w.conninfo("sslmode="+mode+" application_name='"+name+"'"), "-c", "select pg_sleep(120)")
		out := &lockedBuffer{}
		cmd.Stdout, cmd.Stderr = out, out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		w.awaitSleeper("application_name = $1", name)
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		cmd.Wait()
		if !out.contains("canceling statement due to user request") {
			t.Errorf("sslmode=%s: psql printed %q", mode, out.String())
		}
	}
}

// TestCancelWithAWrongKey does nothing, quietly.
func TestCancelWithAWrongKey(t *testing.T) {
	w := start(t, setup{})
	conn := w.connect("")
	done := w.sleeping(conn)
	c, err := net.Dial("tcp", w.proxy.Addresses()[0])
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	msg, err := (&pgproto3.CancelRequest{ProcessID: conn.PgConn().PID(), SecretKey: []byte("ABCD")}).Encode(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(msg); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(c); len(rest) > 0 || err != nil {
		t.Errorf("answered with %q, %v", rest, err)
	}
	select {
	case err := <-done:
		t.Errorf("query ended: %v", err)
	default:
	}
	w.sendCancel(conn, false)
	awaitCanceled(t, done)
}
