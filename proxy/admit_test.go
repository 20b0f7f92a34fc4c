package proxy

import (
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// Finding out whose a client is takes a file for a moment. Silent clients that hold
// them all do not make a stranger of an honest one.
func TestAdmittingMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		unknown := causes.OtherUser.New(nil, os.NewSyscallError("socket", syscall.EMFILE))
		var server *Server
		scarce := false
		r := newRig(t, func(c *databaseConn) { c.logIn(); c.untilTerminate() }, func(cfg *Config) {
			cfg.Admit = func(net.Conn) error {
				if scarce && server.Snapshot().Open > 3 { // itself among them
					return unknown
				}
				return nil
			}
		})
		server = r.server
		for range 5 {
			r.dial()
		}
		synctest.Wait()
		scarce = true
		r.established().Close()
		synctest.Wait()
		if got := r.server.Snapshot().Unstarted[UnstartedCrowded]; got != 3 {
			t.Errorf("%d silent clients made room, want 3", got)
		}
		r.stop()
	})
}

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
