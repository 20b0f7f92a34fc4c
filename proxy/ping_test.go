package proxy

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// A ping that is refused for the user that it guesses is news, counts as no failure,
// and costs the database one login; what would keep others out, too, is an error.
func TestRefusedPingIsNoError(t *testing.T) {
	ping := startupPacket(3<<16, "user", "root", "database", "root", "application_name", "pg_isready")
	psql := startupPacket(3<<16, "user", "root", "database", "root", "application_name", "psql")
	answer := func(code, text string) func(*databaseConn) {
		return func(c *databaseConn) { c.startup(); c.send(errorPacket("SFATAL", "C"+code, "M"+text)) }
	}
	for _, test := range []struct {
		name     string
		startup  []byte
		database func(*databaseConn)
		level    string
		logins   int64
	}{
		{"unknown user", ping, refusing(`MPAM authentication failed for user "root"`), "INFO", 1},
		{"unknown database", ping, answer("3D000", `database "root" does not exist`), "INFO", 1},
		{"another password", ping, func(c *databaseConn) {
			c.startup()
			c.send(authRequest(10, []byte("SCRAM-SHA-256\x00\x00")...))
			readMessage(c)
		}, "INFO", 1},
		{"psql", psql, refusing(`MPAM authentication failed for user "root"`), "ERROR", 2},
		{"not PostgreSQL", ping, func(c *databaseConn) { c.startup(); c.send([]byte("HTTP/1.1 400 Bad Request")) }, "ERROR", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var logins atomic.Int64
				e := &fakeExplainer{passing: true}
				r := newRig(t, func(c *databaseConn) { logins.Add(1); test.database(c) }, func(cfg *Config) { cfg.Routes[0].Refusals = e })
				c := r.dial()
				c.send(test.startup)
				if got := c.failed(); got['M'] == "" {
					t.Errorf("the client is told %q", got)
				}
				r.stop()
				if got := r.server.Snapshot().only(t); got.Left != 1 && test.level == "INFO" || got.Refused+got.Failed != 1 && test.level == "ERROR" {
					t.Errorf("counted as %d left, %d refused, %d failed", got.Left, got.Refused, got.Failed)
				}
				if !r.log.hasLine("session ended", "level="+test.level) || logins.Load() != test.logins {
					t.Errorf("%d logins, want %d and a line at %s in\n%s", logins.Load(), test.logins, test.level, r.log.bytes())
				}
			})
		})
	}
}
