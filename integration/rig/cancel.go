package rig

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const queryCanceled = "57014"

// Sleeping runs a query that lasts until it is cancelled, and returns how it
// ended once the database is at it.
func (w *World) Sleeping(conn *pgx.Conn) <-chan error {
	w.T.Helper()
	done := make(chan error, 1)
	pid := conn.PgConn().PID()
	go func() {
		_, err := conn.Exec(w.T.Context(), "select pg_sleep(120)")
		done <- err
	}()
	w.AwaitSleep(pid)
	return done
}

// AwaitSleep waits until backend pid is in pg_sleep.
func (w *World) AwaitSleep(pid uint32) {
	w.T.Helper()
	w.AwaitSleeper("pid = $1", int32(pid))
}

// AwaitSleeper waits until a backend of which condition is true of $1 is in
// pg_sleep. Other tests' may be, too.
func (w *World) AwaitSleeper(condition string, of any) {
	w.T.Helper()
	admin, err := w.Database.AdminConn(w.T.Context())
	if err != nil {
		w.T.Fatal(err)
	}
	defer admin.Close(context.Background())
	ctx, cancel := context.WithTimeout(w.T.Context(), Limit)
	defer cancel()
	look := time.NewTicker(20 * time.Millisecond) // and not all the time, beside what it waits for
	defer look.Stop()
	for {
		var n int
		err := admin.QueryRow(ctx, "select count(*) from pg_stat_activity where "+condition+" and wait_event = 'PgSleep'", of).Scan(&n)
		if err != nil {
			w.T.Fatalf("waiting for a query to run: %v", err)
		}
		if n > 0 {
			return
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			w.T.Fatal("the query never ran")
		}
	}
}

// AwaitCanceled wants done to say query_canceled.
func AwaitCanceled(t *testing.T, done <-chan error) {
	t.Helper()
	select {
	case err := <-done:
		var pe *pgconn.PgError
		if !errors.As(err, &pe) || pe.Code != queryCanceled {
			t.Errorf("query ended with %v, want %s", err, queryCanceled)
		}
	case <-time.After(Limit):
		t.Fatal("query not cancelled")
	}
}

// Certificate is the one that pgkeyless made for its clients' side, learned as
// sslmode=require would.
func (w *World) Certificate() *x509.Certificate {
	w.T.Helper()
	conn := w.Connect("sslmode=require")
	tc, ok := conn.PgConn().Conn().(*tls.Conn)
	if !ok {
		w.T.Fatalf("sslmode=require gave a %T", conn.PgConn().Conn())
	}
	return tc.ConnectionState().PeerCertificates[0]
}

// RequireTLS asks for TLS with an SSLRequest and trusts cert alone.
func RequireTLS(t *testing.T, c net.Conn, cert *x509.Certificate) net.Conn {
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
