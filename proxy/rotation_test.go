package proxy

import (
	"context"
	"slices"
	"strings"
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
// seconds, until one is taken or no time is left.
func TestLoginsAreRepeatedWhileARotationMayBeUnderWay(t *testing.T) {
	for _, tt := range []struct {
		name    string
		limit   time.Duration
		rotated time.Duration // when the source has the new password; 0 never
		hope    bool
		taken   bool
		logins  int32
		last    time.Duration // of the last login, at most
	}{
		{"behind by a few seconds", time.Minute, 5 * time.Second, true, true, 3, 7 * time.Second},
		{"behind by more", 2 * time.Minute, 50 * time.Second, true, true, 6, 68 * time.Second},
		{"never", time.Minute, 0, true, false, 5, 34 * time.Second},
		{"little time", 3 * time.Second, 0, true, false, 2, 3 * time.Second},
		{"no hope", time.Minute, 0, false, false, 1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var password atomic.Value
				var logins atomic.Int32
				password.Store("new " + ordinaryPassword)
				p := &fakePasswords{password: ordinaryPassword, hope: tt.hope}
				r := newPasswordRig(t, p, wanting(&password, &logins), func(cfg *Config) { cfg.LoginTimeout = tt.limit })
				if tt.rotated > 0 {
					time.AfterFunc(tt.rotated, func() {
						p.mu.Lock()
						defer p.mu.Unlock()
						p.renewed = "new " + ordinaryPassword
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
		r := newPasswordRig(t, &fakePasswords{password: ordinaryPassword, hope: true}, wanting(&password, &logins), nil)
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
			synctest.Wait()
		}
		connect()
		if logins.Load() != 2 {
			t.Fatalf("%d logins, want the client's and a ready one", logins.Load())
		}
		password.Store("new " + ordinaryPassword)
		p.mu.Lock()
		p.renewed = "new " + ordinaryPassword
		p.mu.Unlock()
		connect()
		if !r.log.hasLine("ready login handed out") {
			t.Errorf("no ready login:\n%s", r.log.bytes())
		}
		connect()
		r.stopQuiet()
	})
}
