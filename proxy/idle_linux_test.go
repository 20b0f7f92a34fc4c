package proxy

import "testing"

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
