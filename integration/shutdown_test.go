package integration

import (
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
)

func TestSignalEndsAnIdleProxyAndItsSession(t *testing.T) {
	for sig, want := range map[os.Signal]int{syscall.SIGTERM: 143, os.Interrupt: 130} {
		w := start(t, setup{options: []string{noSpare}})
		w.query("", "select 1")
		if n := w.aws.OpenSessions(); n != 1 {
			t.Fatalf("%d sessions open before %v, want 1", n, sig)
		}
		if got := w.stop(sig); got != want {
			t.Errorf("exit code after %v = %d, want %d", sig, got, want)
		}
		w.awaitSessionsEnded()
		if s := w.aws.Sessions(); s[0].Ending != awsemu.EndFlag {
			t.Errorf("session ended by %q, want %q", s[0].Ending, awsemu.EndFlag)
		}
	}
}

func TestExitZeroOnSigterm(t *testing.T) {
	w := start(t, setup{flags: []string{"--exit-zero-on-sigterm"}})
	if got := w.stop(syscall.SIGTERM); got != 0 {
		t.Errorf("exit code = %d, want 0", got)
	}
}

// TestFirstSignalDrains shows that an open session goes on after the first
// signal while no new one is let in, and that its end ends the proxy.
func TestFirstSignalDrains(t *testing.T) {
	w := start(t, setup{})
	address := w.proxy.Addresses()[0]
	conn := w.connect("")
	if err := w.proxy.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	awaitClosed(t, address)
	var one int
	if err := conn.QueryRow(t.Context(), "select 1").Scan(&one); err != nil {
		t.Errorf("query while draining: %v", err)
	}
	conn.Close(t.Context())
	if code := w.awaitExit(); code != 143 {
		t.Errorf("exit code %d, want 143", code)
	}
}

// TestSecondSignalEndsNow cuts the open session, whose client is told why, and
// still ends the SSM session.
func TestSecondSignalEndsNow(t *testing.T) {
	direct := []string{lab.Host + "?dial=" + shared.database.Address() + "&ca-file=" + shared.database.CAFile()}
	for _, test := range []struct {
		name, options string
		args          []string
	}{
		{"through a tunnel", "", nil},
		{"through a tunnel, by TLS", "sslmode=require", nil},
		{"directly", "", direct},
		{"directly, by TLS", "sslmode=require", direct},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := start(t, setup{args: test.args})
			address := w.proxy.Addresses()[0]
			done := w.sleeping(w.connect(test.options))
			if err := w.proxy.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			awaitClosed(t, address)
			if got := w.stop(syscall.SIGTERM); got != 143 {
				t.Errorf("exit code = %d, want 143", got)
			}
			var told *pgconn.PgError
			if err := <-done; !errors.As(err, &told) || told.Code != "57P01" || told.Message != "the proxy is shutting down" {
				t.Errorf("the session ended with %v, want 57P01", err)
			}
			w.awaitSessionsEnded()
		})
	}
}

// awaitClosed dials until nobody listens any more.
func awaitClosed(t *testing.T, address string) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for time.Now().Before(deadline) {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return
		}
		// An accepted socket is closed by the listener's end: wait for that.
		conn.SetReadDeadline(time.Now().Add(time.Second))
		conn.Read(make([]byte, 1))
		conn.Close()
	}
	t.Fatalf("%s still accepts", address)
}
