package proxy

import (
	"net"
	"testing"
	"testing/synctest"
	"time"
)

func TestSessionsShowRunningOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		query, answer := message('Q', []byte("select secret\x00")...), []byte("0123456789")
		r := newRig(t, func(c *databaseConn) {
			c.logIn()
			c.expect(query)
			time.Sleep(time.Minute)
			c.send(answer)
			c.untilTerminate()
		}, func(cfg *Config) { cfg.Peer = func(net.Conn) string { return "ada (pid 4711)" } })
		began := time.Now()
		c := r.dial()
		c.send(startupPacket(3<<16, "user", "app_user", "database", "app", "application_name", "psql", "options", "-c x=secret"))
		c.expect(join(authRequest(0), keyData(7, []byte("key7")), readyForQuery))
		c.send(query)
		synctest.Wait()
		all := r.server.Sessions()
		if len(all) != 1 {
			t.Fatalf("%d sessions, want 1", len(all))
		}
		got := all[0]
		if got.User != "app_user" || got.Database != "app" || got.ApplicationName != "psql" || got.PID != 7 || got.Route != host ||
			got.Peer != "ada (pid 4711)" || got.LoggedIn.IsZero() || got.Began.Before(began) || got.Target == "" || got.TLS {
			t.Errorf("session %+v", got)
		}
		if got.BytesUp != int64(len(query)) || got.BytesDown != 0 || !got.Asked {
			t.Errorf("%d bytes up and %d down, asked %v; want %d, 0, true", got.BytesUp, got.BytesDown, got.Asked, len(query))
		}
		if now := r.server.Snapshot(); now.BytesUp != int64(len(query)) || now.only(t).BytesUp != now.BytesUp {
			t.Errorf("a running session counts %d bytes up in all and %d on its route, want %d", now.BytesUp, now.only(t).BytesUp, len(query))
		}
		c.expect(answer)
		synctest.Wait()
		if got := r.server.Sessions()[0]; got.BytesDown != int64(len(answer)) || got.Asked {
			t.Errorf("after the answer: %d bytes down, asked %v", got.BytesDown, got.Asked)
		}
		c.send(terminate)
		c.Close()
		time.Sleep(10 * time.Second)
		if all := r.server.Sessions(); len(all) != 0 {
			t.Errorf("%d sessions after the end", len(all))
		}
		if now := r.server.Snapshot(); now.BytesUp != int64(len(query)+len(terminate)) || now.BytesDown != int64(len(answer)) {
			t.Errorf("at the end %d bytes up and %d down", now.BytesUp, now.BytesDown)
		}
		r.stop()
	})
}

// The client of a session that is ended on request learns it, in any state.
func TestDisconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *databaseConn) { c.logIn(); c.untilTerminate() }, nil)
		other, c := r.established(), r.established()
		if r.server.Disconnect(99) {
			t.Error("a session that does not exist was ended")
		}
		if !r.server.Disconnect(2) {
			t.Fatal("session 2 was not ended")
		}
		if said := c.failed(); said['C'] != stateShuttingDown || said['S'] != "FATAL" || said['M'] != errDisconnected.Error() || said['H'] == "" {
			t.Errorf("the client got %q", said)
		}
		c.Close()
		other.send(terminate)
		other.Close()
		time.Sleep(10 * time.Second)
		if !r.log.hasLine("session ended", reasonDisconnected) {
			t.Errorf("the log does not say why: %s", r.log.bytes())
		}
		r.stop()
	})
}

func TestDisconnectDuringLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *databaseConn) { c.startup(); c.untilTerminate() }, nil)
		c := r.dial()
		c.send(plainStartup)
		synctest.Wait()
		if !r.server.Disconnect(1) {
			t.Fatal("session 1 was not ended")
		}
		if said := c.failed(); said['C'] != stateShuttingDown || said['M'] != errDisconnected.Error() {
			t.Errorf("the client got %q", said)
		}
		c.Close()
		time.Sleep(10 * time.Second)
		got := r.server.Snapshot()
		if !got.only(t).FailingSince.IsZero() {
			t.Errorf("a disconnected client makes the route fail: %+v", got.only(t))
		}
		got.balanced(t)
		r.stop()
	})
}
