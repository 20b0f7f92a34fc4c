package proxy

import (
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// A client that is not let in learns it, inside TLS too, and never reaches the
// database; its CancelRequest comes to nothing.
func TestBarredClientReachesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		other := causes.OtherUser.New(causes.Facts{"owner": "ada", "user": "bob"}, nil)
		bar := false
		r := newRig(t, func(c *databaseConn) { c.logIn(); c.untilTerminate() }, func(cfg *Config) {
			cfg.Admit = func(net.Conn) error {
				if bar {
					return other
				}
				return nil
			}
		})
		mine := r.established() // has a key that can be cancelled
		bar = true
		for _, secure := range []bool{false, true} {
			c := r.dial()
			if secure {
				c.send(sslRequest)
				c.expect([]byte{'S'})
				c = c.secure(r.server)
			}
			c.send(plainStartup)
			if said := c.failed(); said['C'] != "28000" || said['M'] != other.Error() || said['H'] != other.Hint() {
				t.Errorf("TLS %v: the client got %q", secure, said)
			}
			c.Close()
		}
		c := r.dial()
		c.send(codePacket(80877102, 0, 0, 0, 7, 'k', 'e', 'y', '7'))
		c.Close()
		time.Sleep(10 * time.Second)
		if n := len(r.db.addresses); n != 1 {
			t.Errorf("the database was dialled %d times, want once, for the client that was let in", n)
		}
		got := r.server.Snapshot()
		if got.FailedLogins["28"] != 2 || got.Unstarted[UnstartedBarred] != 1 || got.CancelsKnown != 0 {
			t.Errorf("counted %+v", got)
		}
		if route := got.only(t); !route.FailingSince.IsZero() {
			t.Errorf("other users make the route fail: %+v", route)
		}
		if !r.log.hasLine("level=WARN", "session ended", "cause=other-user") {
			t.Errorf("the log does not say so: %s", r.log.bytes())
		}
		mine.send(terminate)
		mine.Close()
		time.Sleep(10 * time.Second)
		r.stop()
	})
}
