package proxy

import (
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestMemoryOfIdleSessions bounds what a session holds that rests after a large
// answer, in the records that PostgreSQL would send.
func TestMemoryOfIdleSessions(t *testing.T) {
	const (
		sessions = 200
		records  = 16
		// bound is for a session and both its ends: the database's TLS, and the
		// stack that its handshake left, are about half, more with -race.
		bound = 56 << 10
	)
	record := randomBytes(8 << 10)
	r, dial := loopback(t, true, func(c *databaseConn) {
		for range records {
			c.Write(record)
		}
		c.untilTerminate()
	})
	r.db.tls.DynamicRecordSizingDisabled = true
	before := memory()
	for range sessions {
		c := dial()
		for range records {
			c.expect(record)
		}
	}
	each := (memory() - before) / sessions
	t.Logf("%d bytes a session", each)
	if each > bound {
		t.Errorf("a session at rest holds %d bytes, want at most %d", each, bound)
	}
}

// TestSessionAtRestHasNoGoroutine holds that a session between its login and its end is
// the event loop's alone.
func TestSessionAtRestHasNoGoroutine(t *testing.T) {
	r, dial := loopback(t, true, func(c *databaseConn) {
		c.Write([]byte("here"))
		c.untilTerminate()
	})
	c := dial()
	c.expect([]byte("here"))
	deadline := time.Now().Add(time.Minute)
	for {
		all := make([]byte, 1<<20)
		all = all[:runtime.Stack(all, true)]
		if !strings.Contains(string(all), "proxy.(*session)") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("a goroutine waits for the session:\n%s", all)
		}
		time.Sleep(time.Millisecond)
	}
	if got := r.server.Sessions(); len(got) != 1 {
		t.Errorf("%d sessions, want the one at rest", len(got))
	}
}
