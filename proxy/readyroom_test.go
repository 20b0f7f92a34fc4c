package proxy

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"
)

// fullAt refuses logins while others are open, before AuthenticationOk or behind it.
func fullAt(rr *readyRig, room int, behind bool) func(*databaseConn, uint32) bool {
	return func(c *databaseConn, pid uint32) bool {
		rr.mu.Lock()
		open := len(rr.sessions) - len(rr.ended)
		if open > room {
			rr.ended[pid] = "refused"
		}
		rr.mu.Unlock()
		if open <= room {
			return false
		}
		said := errorPacket("SFATAL", "VFATAL", "C53300", "Mtoo many connections for role \"app_user\"")
		if behind {
			c.send(authRequest(0))
			time.Sleep(time.Second) // on its way
		}
		c.Write(said) // the proxy may not wait for it
		return true
	}
}

func TestFullDatabaseGetsItsRoomBack(t *testing.T) {
	for _, behind := range []bool{false, true} {
		t.Run(fmt.Sprintf("behind AuthenticationOk: %v", behind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rr := newReadyRig(t, 4, nil)
				rr.mu.Lock()
				rr.refuse = fullAt(rr, 2, behind)
				rr.mu.Unlock()
				first := rr.login(plainStartup, 1)
				rr.wantReady(1) // 2
				other := startupPacket(3<<16, "user", "app_user", "database", "other")
				second := rr.login(other, 4) // 3 was refused
				rr.wantReady(0)
				if got := rr.howEnded(2); got != "terminated" {
					t.Errorf("the ready login was %q", got)
				}
				// Both places are taken: the client hears what the database says.
				third := rr.dial()
				third.send(plainStartup)
				if behind {
					third.expect(authRequest(0))
				}
				if got := third.failed(); got['C'] != stateTooManyConnections {
					t.Errorf("client got %q", got)
				}
				third.Close()
				rr.leave(first)
				rr.leave(second)
				time.Sleep(readyPause - 10*time.Second)
				n := rr.logins.Load()
				first = rr.login(plainStartup, n+1)
				rr.wantReady(0) // none for a while
				time.Sleep(11 * time.Second)
				second = rr.login(plainStartup, n+2)
				synctest.Wait()
				rr.leave(first)
				rr.leave(second)
				rr.stopReady()
			})
		})
	}
}

// On a busy machine a process takes a while to end, and its place is taken until then. The
// stop of the proxy does not wait for it.
func TestFullDatabaseIsSlowToMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rr := newReadyRig(t, 4, nil)
		rr.mu.Lock()
		rr.refuse, rr.ending = fullAt(rr, 2, false), 8*time.Second
		rr.mu.Unlock()
		first := rr.login(plainStartup, 1)
		rr.wantReady(1) // 2
		other := startupPacket(3<<16, "user", "app_user", "database", "other")
		second := rr.login(other, 4) // 3 was refused
		rr.mu.Lock()
		rr.ending = 0
		rr.mu.Unlock()
		rr.leave(first)
		rr.leave(second)
		time.Sleep(readyPause)
		first = rr.login(plainStartup, 5)
		rr.wantReady(1) // 6
		rr.mu.Lock()
		rr.ending = 8 * time.Second
		rr.mu.Unlock()
		third := rr.dial()
		third.send(other)
		synctest.Wait() // 7 was refused, and 6 ends
		third.Close()
		first.Close()
		began := time.Now()
		rr.cut()
		served := <-rr.served
		if took := time.Since(began); took > 2*farewell {
			t.Errorf("the proxy stopped after %v", took)
		}
		rr.served <- served
		rr.stopReady()
	})
}

// The login that was refused has a place of its own until its process has ended.
func TestFullDatabaseIsSlowToRefuse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rr := newReadyRig(t, 4, nil)
		full := fullAt(rr, 2, false)
		rr.mu.Lock()
		rr.refuse = func(c *databaseConn, pid uint32) bool {
			if !full(c, pid) {
				return false
			}
			rr.mu.Lock()
			delete(rr.ended, pid)
			rr.mu.Unlock()
			time.Sleep(3 * time.Second)
			rr.mu.Lock()
			defer rr.mu.Unlock()
			rr.ended[pid] = "refused"
			return true
		}
		rr.mu.Unlock()
		first := rr.login(plainStartup, 1)
		rr.wantReady(1)                                                                      // 2
		second := rr.login(startupPacket(3<<16, "user", "app_user", "database", "other"), 4) // 3 was refused
		third := rr.dial()                                                                   // for whom there is nothing to give up
		third.send(plainStartup)
		began := time.Now()
		if got := third.failed(); got['C'] != stateTooManyConnections || time.Since(began) > farewell {
			t.Errorf("a client got %q after %v", got, time.Since(began))
		}
		third.Close()
		rr.leave(first)
		rr.leave(second)
		rr.stopReady()
	})
}

// The database gives a login its place before it asks for the token: what is under way
// takes one too.
func TestFullDatabaseGetsTheRoomOfALoginUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rr := newReadyRig(t, 4, nil)
		full := fullAt(rr, 2, false)
		rr.mu.Lock()
		rr.refuse = func(c *databaseConn, pid uint32) bool {
			if pid != 2 {
				return full(c, pid)
			}
			c.send(authRequest(3))
			if _, err := readMessage(c); err != nil {
				t.Errorf("no token came: %v", err)
			}
			if m, err := readMessage(c); err != io.EOF {
				t.Errorf("the login that was given up ended with %q (%v), want the end of TLS", m, err)
			}
			time.Sleep(300 * time.Millisecond) // until its process has gone
			rr.mu.Lock()
			defer rr.mu.Unlock()
			rr.ended[pid] = "given up"
			return true
		}
		rr.mu.Unlock()
		first := rr.login(plainStartup, 1)
		awaitReady()                                                                         // 2 has its place, and goes no further
		second := rr.login(startupPacket(3<<16, "user", "app_user", "database", "other"), 4) // 3 was refused
		rr.ask(first, 1)
		rr.ask(second, 4)
		rr.leave(first)
		rr.leave(second)
		rr.stopReady()
	})
}

// A role at its limit is no reason to give up what others get.
func TestReadyLoginWithoutRoomForItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rr := newReadyRig(t, 4, nil)
		limited := func(tool string) []byte {
			return startupPacket(3<<16, "user", "limited", "database", "app", "application_name", tool)
		}
		open := map[uint32]bool{} // of limited's sessions; one is allowed
		rr.mu.Lock()
		rr.refuse = func(c *databaseConn, pid uint32) bool {
			rr.mu.Lock()
			defer rr.mu.Unlock()
			if !bytes.Contains(rr.startups[pid-1], []byte("limited")) {
				return false
			}
			for other := range open {
				if rr.ended[other] != "" {
					delete(open, other)
				}
			}
			if len(open) > 0 {
				rr.ended[pid] = "refused"
				c.Write(errorPacket("SFATAL", "VFATAL", "C53300", "Mtoo many connections for role \"limited\""))
				return true
			}
			open[pid] = true
			return false
		}
		rr.mu.Unlock()
		first := rr.login(plainStartup, 1)
		rr.wantReady(1) // 2
		one := rr.login(limited("one"), 3)
		rr.wantReady(1) // 4 was refused
		second := rr.login(plainStartup, 2)
		rr.wantReady(2) // 5 and 6: both came together
		rr.leave(one)
		time.Sleep(readyPause / 2) // the user pauses, whatever else is in the message
		one = rr.login(limited("two"), 7)
		rr.wantReady(2)
		rr.leave(one)
		time.Sleep(readyPause / 2)
		one = rr.login(limited("two"), 8)
		awaitReady()
		if got := rr.logins.Load(); got != 9 {
			t.Errorf("%d logins, want one more for what would be ready", got)
		}
		for _, c := range []*client{first, second, one} {
			rr.leave(c)
		}
		rr.stopReady()
	})
}

func TestMessagesThatNeverComeTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rr := newReadyRig(t, 1, nil)
		named := func(i int) []byte {
			return startupPacket(3<<16, "user", "app_user", "application_name", fmt.Sprint("tool ", i))
		}
		come := func(p []byte) {
			c := rr.dial()
			c.send(p)
			for range 4 {
				if _, err := readMessage(c); err != nil {
					t.Fatal(err)
				}
			}
			rr.leave(c)
		}
		for i := range 3 * maxUnused {
			come(named(i))
			time.Sleep(15 * time.Second)
		}
		before := rr.logins.Load()
		come(named(1000))
		synctest.Wait()
		if got := rr.logins.Load() - before; got != 1 {
			t.Errorf("%d logins for a message that came once, want the client's alone", got)
		}
		come(named(1000))
		rr.wantReady(1)
		rr.stopReady()
	})
}

func TestReadyLoginsOfManyMessagesShareTheRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rr := newReadyRig(t, 2, nil)
		var all []*client
		pid := uint32(0)
		come := func(p []byte) {
			c := rr.dial()
			c.send(p)
			for range 4 {
				if _, err := readMessage(c); err != nil {
					t.Fatal(err)
				}
			}
			all = append(all, c)
			awaitReady()
			pid++
		}
		named := func(name string) []byte { return startupPacket(3<<16, "user", "app_user", "application_name", name) }
		come(named("a"))
		come(named("a"))
		rr.wantReady(2)
		come(named("b")) // which takes one from a
		rr.wantReady(2)
		come(named("c")) // a and b have no more than one
		rr.wantReady(2)
		before := rr.logins.Load()
		come(named("b"))
		if got := rr.logins.Load() - before; got != 1 {
			t.Errorf("%d logins where one was ready, want the one that is ready next", got)
		}
		time.Sleep(readyIdle)
		come(named("c")) // for whom the others make room now
		before = rr.logins.Load()
		come(named("c"))
		if got := rr.logins.Load() - before; got < 1 || got > 2 {
			t.Errorf("%d logins, want ready ones alone", got)
		}
		rr.wantReady(2)
		for _, c := range all {
			rr.leave(c)
		}
		rr.stopReady()
	})
}

// A login that is repeated may be the one that meets a full database. Ready logins make
// room for it as for any other.
func TestRepeatedLoginsGetTheRoomOfReadyLogins(t *testing.T) {
	for _, tt := range []struct {
		name     string
		asks     bool   // for a password, which is what it refuses
		state    string // of the refusal that the client's first attempt meets
		setRoute func(*Route)
	}{
		{"with a new token", false, "28000", func(r *Route) { r.Refusals = &fakeExplainer{passing: true} }},
		{"with a token for another name", false, "28000", func(r *Route) {
			r.Alternative = func(context.Context, Refusal, time.Time) (Alternative, bool) {
				return Alternative{Tokens: otherTokens{"other"}, For: "green.example:5432", Keep: func() {}}, true
			}
		}},
		{"with a rotated password", true, stateWrongPassword, func(r *Route) {
			r.Passwords = &fakePasswords{password: ordinaryPassword, renewed: "new " + ordinaryPassword}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rr := newReadyRig(t, 4, func(cfg *Config) { tt.setRoute(&cfg.Routes[0]) })
				other := startupPacket(3<<16, "user", "app_user", "database", "other")
				rr.mu.Lock()
				rr.refuse = func(c *databaseConn, pid uint32) bool {
					switch pid {
					case 3:
						if tt.asks {
							c.send(authRequest(3))
							if _, err := readMessage(c); err != nil {
								t.Errorf("no password came: %v", err)
							}
						}
						c.send(errorPacket("SFATAL", "VFATAL", "C"+tt.state, "Mrefused"))
					case 4:
						c.send(errorPacket("SFATAL", "VFATAL", "C53300", "Mtoo many connections"))
					default:
						return false
					}
					return true
				}
				rr.mu.Unlock()
				first := rr.login(plainStartup, 1)
				rr.wantReady(1) // 2
				second := rr.login(other, 5)
				rr.wantReady(0)
				if got := rr.howEnded(2); got != "terminated" {
					t.Errorf("the ready login was %q, want it terminated", got)
				}
				rr.leave(first)
				rr.leave(second)
				rr.stopReady()
				if bytes.Contains(rr.log.bytes(), []byte(ordinaryPassword)) {
					t.Errorf("a password in the log: %s", rr.log.bytes())
				}
			})
		})
	}
}
