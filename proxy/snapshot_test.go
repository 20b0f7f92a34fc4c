package proxy

import (
	"bytes"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// balanced reports what of s does not add up.
func (s Snapshot) balanced(t *testing.T) {
	t.Helper()
	ended := s.ClientsLeft + s.CancelsKnown + s.CancelsUnknown + s.Logins
	for _, m := range []map[string]int64{s.Unstarted, s.FailedLogins} {
		for _, n := range m {
			ended += n
		}
	}
	accepted := int64(0)
	for _, r := range s.Routes {
		accepted += r.Accepted
		if r.Starting != 0 || r.Active != 0 {
			t.Errorf("route %q has open sessions: %+v", r.Name, r)
		}
	}
	if accepted != s.Accepted {
		t.Errorf("%d accepted in all and %d by routes", s.Accepted, accepted)
	}
	if s.Open != 0 || s.Starting != 0 || s.Accepted != ended {
		t.Errorf("%d accepted and %d ended, %d of them open and %d starting: %+v", s.Accepted, ended, s.Open, s.Starting, s)
	}
}

// Every client ends in the one way that it is counted for.
func TestSnapshotCountsEachEndOnce(t *testing.T) {
	type number struct {
		name string
		of   func(Snapshot) int64
	}
	unstarted := func(reason string) number {
		return number{reason, func(s Snapshot) int64 { return s.Unstarted[reason] }}
	}
	failed := func(class string) number {
		return number{class, func(s Snapshot) int64 { return s.FailedLogins[class] }}
	}
	closes := func(c *client) { c.Close() }
	sends := func(b []byte) func(*client) {
		return func(c *client) { go c.Write(b); io.Copy(io.Discard, c) }
	}
	tests := []struct {
		name    string
		session func(*databaseConn)
		talk    func(c *client)
		want    number
	}{
		{"port scanner", nil, closes, unstarted(UnstartedClosed)},
		{"half a packet", nil, func(c *client) { c.send(plainStartup[:9]); c.Close() }, unstarted(UnstartedClosed)},
		{"silence", nil, func(c *client) { io.Copy(io.Discard, c) }, unstarted(UnstartedOverdue)},
		{"browser", nil, sends([]byte("GET / HTTP/1.1\r\n\r\n")), unstarted(UnstartedHTTP)},
		{"SSH", nil, sends([]byte("SSH-2.0-x\r\n")), unstarted(UnstartedProtocol)},
		{"protocol 2.0", nil, sends(startupPacket(2<<16, "user", "u")), unstarted(UnstartedProtocol)},
		{"malformed cancel", nil, sends(codePacket(80877102, 1)), unstarted(UnstartedProtocol)},
		{"clear text behind SSLRequest", nil, sends(join(sslRequest, plainStartup)), unstarted(UnstartedTLS)},
		{"unknown key", nil, sends(codePacket(80877102, 0, 0, 0, 7, 'k', 'e', 'y', '8')),
			number{"unknown cancels", func(s Snapshot) int64 { return s.CancelsUnknown }}},
		{"no user", nil, sends(startupPacket(3<<16, "database", "app")), failed("28")},
		{"wrong password", func(c *databaseConn) { c.startup(); c.send(errorPacket("SFATAL", "C28P01", "Mno")) },
			sends(plainStartup), failed("28")},
		{"unknown database", func(c *databaseConn) { c.startup(); c.send(errorPacket("SFATAL", "C3D000", "Mno")) },
			sends(plainStartup), failed("3D")},
		{"an SQLSTATE that is none", func(c *databaseConn) { c.startup(); c.send(errorPacket("SFATAL", "C\"{}\\n", "Mno")) },
			sends(plainStartup), failed("XX")},
		{"left during login", func(c *databaseConn) { c.startup(); c.untilTerminate() },
			func(c *client) { c.send(plainStartup); synctest.Wait(); c.Close() },
			number{"left", func(s Snapshot) int64 { return s.ClientsLeft }}},
		{"logged in", func(c *databaseConn) { c.logIn(); c.untilTerminate() },
			func(c *client) {
				c.send(plainStartup)
				c.expect(join(authRequest(0), keyData(7, []byte("key7")), readyForQuery))
				c.send(terminate)
				c.Close()
			},
			number{"logins", func(s Snapshot) int64 { return s.Logins }}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, test.session, nil)
				c := r.dial()
				test.talk(c)
				c.Close()
				time.Sleep(10 * time.Second) // farewells and lingering
				got := r.server.Snapshot()
				if n := test.want.of(got); n != 1 {
					t.Errorf("%s is %d, want 1: %+v", test.want.name, n, got)
				}
				got.balanced(t)
				r.stop()
			})
		})
	}
}

func TestSnapshotOfOpenSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answer := []byte("0123456789")
		r := newRig(t, func(c *databaseConn) {
			c.logIn()
			c.send(answer)
			c.untilTerminate()
		}, nil)
		silent, c := r.dial(), r.established()
		c.expect(answer)
		synctest.Wait() // the silent one is accepted too
		if got := r.server.Snapshot(); got.Open != 2 || got.Starting != 1 || got.Accepted != 2 || got.Logins != 1 {
			t.Errorf("one silent and one logged in: %+v", got)
		}
		c.send(terminate)
		c.Close()
		silent.Close()
		time.Sleep(10 * time.Second)
		got := r.server.Snapshot()
		if got.BytesUp != int64(len(terminate)) || got.BytesDown != int64(len(answer)) {
			t.Errorf("%d bytes up and %d down, want %d and %d", got.BytesUp, got.BytesDown, len(terminate), len(answer))
		}
		got.balanced(t)
		r.stop()
	})
}

// The bytes of a session count while it runs, in the total and for its Route, and
// its end neither takes them back nor counts them twice.
func TestBytesOfASessionOutliveIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answer := []byte("0123456789")
		r := newRig(t, func(c *databaseConn) {
			c.logIn()
			c.send(answer)
			c.untilTerminate()
		}, nil)
		c := r.established()
		c.expect(answer)
		c.send([]byte("Q\x00\x00\x00\x05\x00"))
		synctest.Wait()
		want := func(when string, up, down int64) {
			t.Helper()
			all := r.server.Snapshot()
			if route := all.only(t); all.BytesUp != up || all.BytesDown != down || route.BytesUp != up || route.BytesDown != down {
				t.Errorf("%s: %d up and %d down, the route's %d and %d; want %d and %d", when, all.BytesUp, all.BytesDown, route.BytesUp, route.BytesDown, up, down)
			}
		}
		want("running", 6, int64(len(answer)))
		c.Close()
		time.Sleep(10 * time.Second)
		want("ended", 6, int64(len(answer)))
		r.stop()
	})
}

// A Route has a histogram for each stage before its first client.
func TestHistogramsAreThereFromTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, nil)
		got := r.server.Snapshot().only(t)
		for _, stage := range Stages {
			if h := got.LoginTimes[stage]; len(h.Bounds) != len(loginBounds) || len(h.Counts) != len(loginBounds)+1 || h.Count() != 0 {
				t.Errorf("stage %s has %+v", stage, h)
			}
		}
		if h := got.SessionTimes; len(h.Bounds) != len(sessionBounds) || h.Count() != 0 {
			t.Errorf("sessions have %+v", h)
		}
		r.stop()
	})
}

// A cancel request with a known key is counted once, and no login with it.
func TestSnapshotCountsCancels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		request := codePacket(80877102, 0, 0, 0, 7, 'k', 'e', 'y', '7')
		r := newRig(t, func(c *databaseConn) {
			packet := c.startup()
			if bytes.Equal(packet, request) {
				return
			}
			c.send(authRequest(0), keyData(7, []byte("key7")), readyForQuery)
			c.untilTerminate()
		}, nil)
		c, canceller := r.dial(), r.dial()
		c.send(plainStartup)
		c.expect(join(authRequest(0), keyData(7, []byte("key7")), readyForQuery))
		canceller.send(request)
		canceller.expectEnd()
		canceller.Close()
		c.Close()
		time.Sleep(10 * time.Second)
		got := r.server.Snapshot()
		if got.CancelsKnown != 1 || got.CancelsUnknown != 0 {
			t.Errorf("%+v, want one cancel request with a known key", got)
		}
		got.balanced(t)
		r.stop()
	})
}

// Nobody is kept out by silent connections, whatever their number.
func TestSilentClientsMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *databaseConn) {
			c.logIn()
			c.untilTerminate()
		}, nil)
		early := r.established() // is no longer waiting, so it stays
		var silent []net.Conn
		for range maxLobby + 10 {
			silent = append(silent, r.dial())
		}
		synctest.Wait() // they are all waiting before one more comes
		late := r.established()
		synctest.Wait()
		if got := r.server.Snapshot(); got.Unstarted[UnstartedCrowded] != 11 || got.Open != maxLobby+1 {
			t.Errorf("%d silent clients and two sessions: %+v, want 11 shown out", len(silent), got)
		}
		shownOut := 0
		for _, c := range silent {
			c.SetReadDeadline(time.Now().Add(time.Millisecond))
			n, err := c.Read(make([]byte, 1))
			if err == io.EOF {
				shownOut++
			}
			if n != 0 {
				t.Error("a silent client was told something")
			}
			c.Close()
		}
		if shownOut != 11 {
			t.Errorf("%d silent clients were shown out, want 11", shownOut)
		}
		for _, c := range []*client{early, late} {
			c.send(terminate)
			c.Close()
		}
		time.Sleep(10 * time.Second)
		r.server.Snapshot().balanced(t)
		r.stop()
	})
}
