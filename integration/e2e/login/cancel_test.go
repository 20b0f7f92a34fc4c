package login

import (
	"context"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgkeyless/pgkeyless/integration/rig"
)

// TestCancel cancels one of two running queries, plain and inside TLS; the other
// goes on.
func TestCancel(t *testing.T) {
	for _, inTLS := range []bool{false, true} {
		t.Run(map[bool]string{false: "plain", true: "inside TLS"}[inTLS], func(t *testing.T) {
			w := rig.Start(t, rig.Setup{})
			conn, bystander := w.Connect(""), w.Connect("")
			done, other := w.Sleeping(conn), w.Sleeping(bystander)
			sendCancel(w, conn, inTLS)
			rig.AwaitCanceled(t, done)
			select {
			case err := <-other:
				t.Errorf("the other session's query ended too: %v", err)
			default:
			}
			var one int
			if err := conn.QueryRow(t.Context(), "select 1").Scan(&one); err != nil {
				t.Errorf("session after the cancel: %v", err)
			}
			sendCancel(w, bystander, inTLS)
			rig.AwaitCanceled(t, other)
		})
	}
}

// sendCancel sends the CancelRequest by hand, as libpq does, and waits for the
// server to close.
func sendCancel(w *rig.World, conn *pgx.Conn, inTLS bool) {
	w.T.Helper()
	c, err := net.Dial("tcp", w.Proxy.Addresses()[0])
	if err != nil {
		w.T.Fatal(err)
	}
	defer c.Close()
	if inTLS {
		c = rig.RequireTLS(w.T, c, w.Certificate())
	}
	msg, err := (&pgproto3.CancelRequest{ProcessID: conn.PgConn().PID(), SecretKey: conn.PgConn().SecretKey()}).Encode(nil)
	if err != nil {
		w.T.Fatal(err)
	}
	if _, err := c.Write(msg); err != nil {
		w.T.Fatal(err)
	}
	if rest, err := io.ReadAll(c); len(rest) > 0 || err != nil {
		w.T.Errorf("CancelRequest answered with %q, %v, want nothing and a close", rest, err)
	}
}

// TestPsqlInterrupt presses Ctrl-C in psql.
func TestPsqlInterrupt(t *testing.T) {
	w := rig.Start(t, rig.Setup{})
	for _, mode := range []string{"disable", "require"} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		name := "interrupted, " + mode
		cmd := rig.PsqlCommand(ctx, w.Conninfo("sslmode="+mode+" application_name='"+name+"'"), "-c", "select pg_sleep(120)")
		out := &rig.LockedBuffer{}
		cmd.Stdout, cmd.Stderr = out, out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		w.AwaitSleeper("application_name = $1", name)
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		cmd.Wait()
		if !out.Contains("canceling statement due to user request") {
			t.Errorf("sslmode=%s: psql printed %q", mode, out.String())
		}
	}
}

// TestCancelWithAWrongKey does nothing, quietly.
func TestCancelWithAWrongKey(t *testing.T) {
	w := rig.Start(t, rig.Setup{})
	conn := w.Connect("")
	done := w.Sleeping(conn)
	c, err := net.Dial("tcp", w.Proxy.Addresses()[0])
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
	sendCancel(w, conn, false)
	rig.AwaitCanceled(t, done)
}
