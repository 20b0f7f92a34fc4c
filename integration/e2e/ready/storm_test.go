package ready

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu/gateway"
	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// TestStorm has many more clients come at once than are logged in together, with an agent
// that sends as slowly as the genuine one.
func TestStorm(t *testing.T) {
	const clients, together = 300, 64
	w := rig.Start(t, rig.Setup{
		Options:  []string{"ready-logins=0", "sessions=4"}, // each is a login of its own
		Flags:    []string{"--login-timeout", "5m"},        // which a busy machine may take for all of them
		Emulator: func(c *awsemu.Config) { c.Pace = time.Millisecond },
	})
	conninfo := w.Conninfo("sslmode=disable connect_timeout=300")
	most := peak(t, w)
	before := len(w.Database.Logins())
	errs := make(chan error, clients)
	for i := range clients {
		go func() {
			c, err := pgx.Connect(t.Context(), fmt.Sprint(conninfo, " application_name=storm", i))
			if err == nil {
				err = c.Close(context.Background())
			}
			errs <- err
		}()
	}
	for range clients {
		if err := <-errs; err != nil {
			t.Errorf("a client was not served: %v", err)
		}
	}
	if n := len(w.Database.Logins()) - before; n != clients {
		t.Errorf("%d tokens verified for %d clients", n, clients)
	}
	// A client that has left may still have its backend.
	if n := most(); n > 2*together {
		t.Errorf("%d backends at one time, want about %d", n, together)
	}
	if n := len(w.AWS.Sessions()); n < 2 || n > 4 {
		t.Errorf("%d SSM sessions for %d clients, want 2 to 4", n, clients)
	}
}

// peak watches how many backends there are, until the function is called that it returns.
func peak(t *testing.T, w *rig.World) (stop func() int) {
	c, err := w.Database.AdminConn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	done, most := make(chan struct{}), 0
	var watching sync.WaitGroup
	watching.Go(func() {
		defer c.Close(context.Background())
		for {
			select {
			case <-done:
				return
			default:
			}
			var n int
			if err := c.QueryRow(t.Context(), "select count(*) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()").Scan(&n); err != nil {
				t.Error(err)
				return
			}
			most = max(most, n)
		}
	})
	return func() int { close(done); watching.Wait(); return most }
}

// TestStormAtADatabaseThatDoesNotAnswer: all are told within the login timeout, also those
// that wait for their turn.
func TestStormAtADatabaseThatDoesNotAnswer(t *testing.T) {
	w := rig.Start(t, rig.Setup{Flags: []string{"--login-timeout", "5s"}})
	w.AWS.SetDial(gateway.HangDials(-1, nil))
	const clients = 100
	began, errs := time.Now(), make(chan error, clients)
	for range clients {
		go func() {
			c, err := w.TryConnect("")
			if err == nil {
				c.Close(context.Background())
			}
			errs <- err
		}()
	}
	for range clients {
		err := <-errs
		var told *pgconn.PgError
		if !errors.As(err, &told) || told.Code != causes.LoginOverdue.SQLState {
			t.Errorf("a client got %v, want SQLSTATE %s", err, causes.LoginOverdue.SQLState)
		}
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("the last client was told after %v, want 5 s and what a busy machine takes", took)
	}
}

// TestWarm: the tunnel is there before the first client.
func TestWarm(t *testing.T) {
	for _, warm := range []bool{true, false} {
		t.Run(fmt.Sprint(warm), func(t *testing.T) {
			w := rig.Start(t, rig.Setup{Options: []string{fmt.Sprint("warm=", warm), rig.NoSpare, "ready-logins=0"}})
			if warm {
				says(w, "ssm session started")
			}
			if n := w.AWS.Calls()["StartSession"]; (n > 0) != warm {
				t.Errorf("%d sessions started before the first client", n)
			}
			answers(t, w.Connect(""))
			if n := w.AWS.Calls()["StartSession"]; n != 1 {
				t.Errorf("%d sessions started for one client", n)
			}
		})
	}
}
