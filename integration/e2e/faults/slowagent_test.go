package faults

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
)

// TestSlowAgentServesEveryLogin has a small jump host, whose worker takes 11 s to
// start alone, and longer beside others: past the time that a handshake has.
func TestSlowAgentServesEveryLogin(t *testing.T) {
	t.Parallel()
	w := rig.Start(t, rig.Setup{Emulator: func(c *awsemu.Config) {
		c.WorkerStart = func(int) time.Duration { return 11 * time.Second }
	}})
	begin := time.Now()
	var clients sync.WaitGroup
	for i := range 40 {
		clients.Go(func() {
			conn, err := w.TryConnect("connect_timeout=80")
			if err != nil {
				t.Errorf("client %d after %v: %v", i, time.Since(begin).Round(time.Second), err)
				return
			}
			defer conn.Close(context.Background())
			var one int
			if err := conn.QueryRow(t.Context(), "select 1").Scan(&one); err != nil {
				t.Errorf("client %d: %v", i, err)
			}
		})
	}
	clients.Wait()
	t.Logf("40 logins in %v, %d SSM sessions", time.Since(begin).Round(time.Millisecond), len(w.AWS.Sessions()))
}

// TestClientsAtOnceAreSpread starts eight clients on a fresh proxy: no session gets
// more than two of them.
func TestClientsAtOnceAreSpread(t *testing.T) {
	t.Parallel()
	w := rig.Start(t, rig.Setup{
		Flags:    []string{"--sessions", "8", "--ready-logins", "0"}, // their streams would be counted, too
		Emulator: func(c *awsemu.Config) { c.WorkerStart = func(int) time.Duration { return 200 * time.Millisecond } },
	})
	var at, done sync.WaitGroup
	at.Add(8)
	counted := make(chan struct{})
	for i := range 8 {
		done.Go(func() {
			conn, err := w.TryConnect("")
			at.Done()
			if err != nil {
				t.Errorf("client %d: %v", i, err)
				return
			}
			<-counted
			conn.Close(context.Background())
		})
	}
	at.Wait()
	used := 0
	for _, s := range w.AWS.Sessions() {
		if s.OpenStreams > 2 {
			t.Errorf("%d of 8 clients on session %s", s.OpenStreams, s.ID)
		}
		if s.OpenStreams > 0 {
			used++
		}
	}
	close(counted)
	done.Wait()
	if used < 5 {
		t.Errorf("8 clients on %d sessions of 8", used)
	}
}
