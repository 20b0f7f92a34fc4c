package serving

import (
	"errors"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu/gateway"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
)

func TestSignalEndsAnIdleProxyAndItsSession(t *testing.T) {
	for sig, want := range map[os.Signal]int{syscall.SIGTERM: 143, os.Interrupt: 130} {
		w := rig.Start(t, rig.Setup{Options: []string{rig.NoSpare}})
		w.Query("", "select 1")
		w.MustHaveStarted(1)
		if n := w.AWS.OpenSessions(); n == 0 {
			t.Fatalf("no session is open before %v", sig)
		}
		signalled := time.Now()
		if got := w.Stop(sig); got != want {
			t.Errorf("exit code after %v = %d, want %d", sig, got, want)
		}
		w.AwaitSessionsEnded()
		for _, s := range w.AWS.Sessions() {
			// The agent has 2 s to confirm the flag, and a busy machine may take longer.
			took := s.Ended.Sub(signalled)
			if late := took >= 2*time.Second && s.Ending == gateway.EndAPI; took > 0 && s.Ending != gateway.EndFlag && !late {
				t.Errorf("session ended by %q after %v, want %q", s.Ending, took, gateway.EndFlag)
			}
		}
	}
}

func TestExitZeroOnSigterm(t *testing.T) {
	w := rig.Start(t, rig.Setup{Flags: []string{"--exit-zero-on-sigterm"}})
	if got := w.Stop(syscall.SIGTERM); got != 0 {
		t.Errorf("exit code = %d, want 0", got)
	}
}

// TestFirstSignalDrains shows that an open session goes on after the first
// signal while no new one is let in, and that its end ends the proxy.
func TestFirstSignalDrains(t *testing.T) {
	w := rig.Start(t, rig.Setup{})
	address := w.Proxy.Addresses()[0]
	conn := w.Connect("")
	if err := w.Proxy.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	rig.AwaitClosed(t, address)
	var one int
	if err := conn.QueryRow(t.Context(), "select 1").Scan(&one); err != nil {
		t.Errorf("query while draining: %v", err)
	}
	conn.Close(t.Context())
	if code := w.AwaitExit(); code != 143 {
		t.Errorf("exit code %d, want 143", code)
	}
}

// TestSecondSignalEndsNow cuts the open session, whose client is told why, and
// still ends the SSM session.
func TestSecondSignalEndsNow(t *testing.T) {
	direct := []string{lab.Host + "?dial=" + rig.Shared.Database.Address() + "&ca-file=" + rig.Shared.Database.CAFile()}
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
			w := rig.Start(t, rig.Setup{Args: test.args})
			address := w.Proxy.Addresses()[0]
			done := w.Sleeping(w.Connect(test.options))
			if err := w.Proxy.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			rig.AwaitClosed(t, address)
			if got := w.Stop(syscall.SIGTERM); got != 143 {
				t.Errorf("exit code = %d, want 143", got)
			}
			var told *pgconn.PgError
			if err := <-done; !errors.As(err, &told) || told.Code != "57P01" || told.Message != "the proxy is shutting down" {
				t.Errorf("the session ended with %v, want 57P01", err)
			}
			w.AwaitSessionsEnded()
		})
	}
}
