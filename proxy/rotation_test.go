package proxy

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// wanting is a database that takes the password that is in it now.
func wanting(password *atomic.Value, logins *atomic.Int32) func(*databaseConn) {
	return func(c *databaseConn) {
		c.startup()
		logins.Add(1)
		s := &scramFake{password: password.Load().(string), offers: []string{"SCRAM-SHA-256-PLUS"}}
		if s.logIn(c) {
			c.Write(readyForQuery)
			c.untilTerminate()
		}
	}
}

// A password that was rotated is read anew, and the login repeated at once: the client
// notices nothing.
func TestRotatedPasswordIsReadAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var password atomic.Value
		var logins atomic.Int32
		password.Store("new " + ordinaryPassword)
		p := &fakePasswords{password: ordinaryPassword, renewed: "new " + ordinaryPassword}
		r := newPasswordRig(t, p, wanting(&password, &logins), nil)
		began := time.Now()
		c := r.dial()
		c.send(plainStartup)
		c.expect(join(authRequest(0), readyForQuery))
		if took := time.Since(began); took != 0 {
			t.Errorf("the client waited %v", took)
		}
		c.Close()
		r.stopQuiet()
		if logins.Load() != 2 || !slices.Equal(p.refused, []string{ordinaryPassword}) {
			t.Errorf("%d logins, renewed after %q", logins.Load(), p.refused)
		}
	})
}

// While the source lags behind the database, logins are repeated after 2, 4, 8, 16 and 30
// seconds, until one is taken or no time is left. The last pause is what the time leaves.
func TestLoginsAreRepeatedWhileARotationMayBeUnderWay(t *testing.T) {
	for _, tt := range []struct {
		name    string
		limit   time.Duration
		rotated time.Duration // when the source has the new password; 0 never
		taken   bool
		logins  int32
		last    time.Duration // of the last login, at most
	}{
		{"behind by a few seconds", time.Minute, 5 * time.Second, true, 3, 7 * time.Second},
		{"behind by more", 2 * time.Minute, 50 * time.Second, true, 6, 68 * time.Second},
		{"behind by nearly a minute", time.Minute, 55 * time.Second, true, 6, time.Minute},
		{"never", time.Minute, 0, false, 6, time.Minute},
		{"little time", 3 * time.Second, 0, false, 2, 3 * time.Second},
		{"for good", 10 * time.Minute, 0, false, 6, 76 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var password atomic.Value
				var logins atomic.Int32
				password.Store("new " + ordinaryPassword)
				p := &fakePasswords{password: ordinaryPassword}
				r := newPasswordRig(t, p, wanting(&password, &logins), func(cfg *Config) { cfg.LoginTimeout = tt.limit })
				if tt.rotated > 0 {
					time.AfterFunc(tt.rotated, func() {
						p.setRenewed("new " + ordinaryPassword)
					})
				}
				began := time.Now()
				c := r.dial()
				c.send(plainStartup)
				if tt.taken {
					c.expect(join(authRequest(0), readyForQuery))
				} else if got := c.failed(); got['C'] != "28P01" || !strings.HasPrefix(got['M'], "password authentication failed") {
					t.Errorf("got %q, want the database's refusal", got)
				}
				took := time.Since(began)
				c.Close()
				r.stopQuiet()
				if logins.Load() != tt.logins || took > tt.last+farewell {
					t.Errorf("%d logins in %v, want %d in %v", logins.Load(), took, tt.logins, tt.last)
				}
			})
		})
	}
}

// Another way to make tokens is nothing to a user with a password.
func TestOrdinaryPasswordsHaveNoAlternative(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var password atomic.Value
		var logins, asked atomic.Int32
		password.Store("new " + ordinaryPassword)
		r := newPasswordRig(t, &fakePasswords{password: ordinaryPassword}, wanting(&password, &logins), func(cfg *Config) {
			cfg.LoginTimeout = time.Second // too short for another login
			cfg.Routes[0].Alternative = func(context.Context, Refusal, time.Time) (Alternative, bool) {
				asked.Add(1)
				return Alternative{Tokens: &fakeTokens{token: secretToken}, Keep: func() {}}, true
			}
		})
		c := r.dial()
		c.send(plainStartup)
		if got := c.failed(); got['C'] != "28P01" {
			t.Errorf("got %q", got)
		}
		r.stopQuiet()
		if asked.Load() != 0 || logins.Load() != 1 {
			t.Errorf("asked %d times, %d logins", asked.Load(), logins.Load())
		}
	})
}

// A client that leaves in a pause ends the login, and the log says what it waited for.
func TestWaitingForARotationEndsWithItsClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var password atomic.Value
		var logins atomic.Int32
		password.Store("new " + ordinaryPassword)
		r := newPasswordRig(t, &fakePasswords{password: ordinaryPassword}, wanting(&password, &logins), nil)
		c := r.dial()
		c.send(plainStartup)
		time.Sleep(time.Second)
		c.Close()
		synctest.Wait()
		time.Sleep(time.Minute)
		r.stopQuiet()
		if logins.Load() != 1 || !r.log.hasLine("session ended", "duration=1s", "password authentication failed") {
			t.Errorf("%d logins, log:\n%s", logins.Load(), r.log.bytes())
		}
	})
}

// A ready login that was made with a password which was rotated away serves its client:
// sessions outlive passwords. The client behind it notices the rotation no more than others.
func TestReadyLoginsOutliveARotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var password atomic.Value
		var logins atomic.Int32
		password.Store(ordinaryPassword)
		p := &fakePasswords{password: ordinaryPassword}
		r := newPasswordRig(t, p, wanting(&password, &logins), func(cfg *Config) { cfg.Routes[0].ReadyLogins = 1 })
		connect := func() {
			c := r.dial()
			c.send(plainStartup)
			c.expect(join(authRequest(0), readyForQuery))
			c.send(terminate)
			c.Close()
			awaitReady()
		}
		connect()
		if logins.Load() != 2 {
			t.Fatalf("%d logins, want the client's and a ready one", logins.Load())
		}
		password.Store("new " + ordinaryPassword)
		p.setRenewed("new " + ordinaryPassword)
		connect()
		if !r.log.hasLine("ready login handed out") {
			t.Errorf("no ready login:\n%s", r.log.bytes())
		}
		connect()
		r.stopQuiet()
	})
}

// crowd has n clients log in at once, and returns how each was answered, once all are.
func (r *rig) crowd(n int) (taken, refused int) {
	var all sync.WaitGroup
	var mu sync.Mutex
	for range n {
		all.Go(func() {
			c := r.dial()
			defer c.Close()
			c.send(plainStartup)
			m, err := readMessage(c)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil && m[0] == 'R':
				taken++
			case err == nil && m[0] == 'E' && bytes.Contains(m, []byte("C28P01")):
				refused++
			default:
				r.t.Errorf("got %q, %v", m, err)
			}
		})
	}
	all.Wait()
	return taken, refused
}

// In a burst one client tries, and the others wait for what it finds. Who comes later does
// not try a password that is known to be refused.
func TestOneClientTriesForABurst(t *testing.T) {
	const burst = 50
	for name, tt := range map[string]struct {
		rotated time.Duration // when the source has the new password; 0: never
		caught  time.Duration // when the database takes the old one again, as a reader does; 0: never
		logins  int32         // with a password that is refused, at most
		taken   int
	}{
		"the source is behind":   {10 * time.Second, 0, burst + 2, 2 * burst},
		"the database is behind": {0, 10 * time.Second, burst + 2, 2 * burst},
		// After 2, 4, 8 and 16 s, and at the end of the time of each burst.
		"a wrong password": {0, 0, burst + 6, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var password atomic.Value
				var logins, good atomic.Int32
				password.Store("new " + ordinaryPassword)
				p := &fakePasswords{password: ordinaryPassword}
				r := newPasswordRig(t, p, func(c *databaseConn) {
					c.startup()
					logins.Add(1)
					s := &scramFake{password: password.Load().(string), offers: []string{"SCRAM-SHA-256"}}
					if s.logIn(c) {
						good.Add(1)
						c.Write(readyForQuery)
						c.untilTerminate()
					}
				}, nil)
				if tt.rotated > 0 {
					time.AfterFunc(tt.rotated, func() { p.setRenewed("new " + ordinaryPassword) })
				}
				if tt.caught > 0 {
					time.AfterFunc(tt.caught, func() { password.Store(ordinaryPassword) })
				}
				var both sync.WaitGroup
				var taken, refused [2]int
				for i := range 2 {
					both.Go(func() {
						time.Sleep(time.Duration(i) * 3 * time.Second)
						taken[i], refused[i] = r.crowd(burst)
					})
				}
				both.Wait()
				r.stopQuiet()
				if n := logins.Load() - good.Load(); taken[0]+taken[1] != tt.taken || n > tt.logins {
					t.Errorf("%v let in, %v refused, with %d logins in vain; want %d and at most %d", taken, refused, n, tt.taken, tt.logins)
				}
			})
		})
	}
}

// A password that stays wrong is hoped for once: a client that comes every quarter of an
// hour is refused at once, until there is another.
func TestAWrongPasswordIsHopedForOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var password atomic.Value
		var logins atomic.Int32
		password.Store("new " + ordinaryPassword)
		p := &fakePasswords{password: ordinaryPassword}
		r := newPasswordRig(t, p, wanting(&password, &logins), nil)
		for i := range 3 {
			began, before := time.Now(), logins.Load()
			if taken, refused := r.crowd(1); taken != 0 || refused != 1 {
				t.Errorf("client %d: %d let in", i, taken)
			}
			if took, n := time.Since(began), logins.Load()-before; i > 0 && (took > farewell || n != 1) {
				t.Errorf("client %d: %d logins in %v, want one at once", i, n, took)
			}
			time.Sleep(15 * time.Minute)
		}
		p.setRenewed("newer " + ordinaryPassword)
		time.AfterFunc(3*time.Second, func() { password.Store("newer " + ordinaryPassword) })
		if taken, _ := r.crowd(1); taken != 1 {
			t.Error("there is no hope for another password")
		}
		r.stopQuiet()
	})
}

// Why the secret cannot be read is what the client reads, with the refusal in the DETAIL.
func TestASecretThatCannotBeReadAnewIsTheReason(t *testing.T) {
	for name, kept := range map[string]bool{"denied": false, "no answer": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var password atomic.Value
				var logins atomic.Int32
				password.Store("new " + ordinaryPassword)
				p := &fakePasswords{password: ordinaryPassword, kept: kept, denied: &statedError{"access denied", "28000", "asked nicely", "allow it"}}
				r := newPasswordRig(t, p, wanting(&password, &logins), nil)
				c := r.dial()
				c.send(plainStartup)
				got := c.failed()
				r.stopQuiet()
				if got['C'] != "28000" || got['M'] != `getting the password of user "app_user": reading it again: access denied` || got['H'] != "allow it" ||
					got['D'] != `asked nicely; the database refused the one in memory: password authentication failed for user "app_user" (SQLSTATE 28P01)` {
					t.Errorf("got %q", got)
				}
				if want := map[bool]int32{false: 1, true: 6}[kept]; logins.Load() != want {
					t.Errorf("%d logins, want %d", logins.Load(), want)
				}
			})
		})
	}
}

// The last login is not begun where it would end after the client's time; and where it does
// so all the same, the client reads what the database has said before.
func TestTheRefusalOutlivesTheDeadline(t *testing.T) {
	for name, tt := range map[string]struct {
		slow   time.Duration // until the first is refused
		silent bool          // to the others
		logins int32
		ends   time.Duration
	}{
		"no time for another":    {2 * time.Second, false, 1, 2 * time.Second},
		"another that is slower": {0, true, 2, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var logins atomic.Int32
				r := newPasswordRig(t, &fakePasswords{password: ordinaryPassword}, func(c *databaseConn) {
					c.startup()
					if tt.silent && logins.Load() > 0 {
						logins.Add(1)
						readMessage(c) // until it is closed
						return
					}
					logins.Add(1)
					time.Sleep(tt.slow)
					(&scramFake{password: "another", offers: []string{"SCRAM-SHA-256"}}).logIn(c)
				}, func(cfg *Config) { cfg.LoginTimeout = 5 * time.Second })
				began := time.Now()
				c := r.dial()
				c.send(plainStartup)
				got := c.failed()
				took := time.Since(began)
				c.Close()
				r.stopQuiet()
				if got['C'] != "28P01" || logins.Load() != tt.logins || took < tt.ends || took > tt.ends+farewell {
					t.Errorf("got %q after %d logins in %v, want 28P01 after %d in %v", got, logins.Load(), took, tt.logins, tt.ends)
				}
			})
		})
	}
}

// A name may lead to two servers, of which one has the new password already: each success at
// the one says that the refusal of the other does not hold. Logins at the other are repeated,
// but not without a pause.
func TestTwoServersOfANameDoNotMakeALoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var password atomic.Value
		var logins atomic.Int32
		password.Store("new " + ordinaryPassword)
		p := &fakePasswords{password: ordinaryPassword}
		refuse := wanting(&password, &logins)
		r := newPasswordRig(t, p, func(c *databaseConn) {
			refuse(c)
			p.Rotation("").outcome(nil, time.Now()) // somebody was let in elsewhere
		}, nil)
		c := r.dial()
		c.send(plainStartup)
		if got := c.failed(); got['C'] != "28P01" {
			t.Errorf("got %q", got)
		}
		c.Close()
		r.stopQuiet()
		if n := logins.Load(); n > 2*int32(time.Minute/rotationPause) {
			t.Errorf("%d logins in a minute", n)
		}
	})
}

// Whoever waits for a rotation while pgkeyless stops reads that it stops, and not that the
// password is wrong.
func TestStoppingEndsTheWaitForARotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var password atomic.Value
		var logins atomic.Int32
		password.Store("new " + ordinaryPassword)
		r := newPasswordRig(t, &fakePasswords{password: ordinaryPassword}, wanting(&password, &logins), nil)
		first, second := r.dial(), r.dial()
		first.send(plainStartup)
		time.Sleep(time.Second)
		second.send(plainStartup) // knows of the refusal, and waits for the first one's result
		time.Sleep(time.Second / 2)
		stopped := make(chan struct{})
		go func() { defer close(stopped); r.stopQuiet() }()
		for name, c := range map[string]*client{"first": first, "second": second} {
			if got := c.failed(); got['C'] != "57P01" {
				t.Errorf("the %s client got %q, want 57P01", name, got)
			}
		}
		<-stopped
	})
}
