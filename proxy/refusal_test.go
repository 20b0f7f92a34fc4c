package proxy

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Why a login was refused is asked once, and no longer waited for than
// explainTimeout.
func TestRefusalIsExplained(t *testing.T) {
	tests := []struct {
		name    string
		explain func(context.Context) Explanation
		want    Explanation
		takes   time.Duration
	}{
		{"known", func(context.Context) Explanation { return Explanation{Cause: "why", Detail: "who", Hint: "what"} },
			Explanation{Cause: "why", Detail: "who", Hint: "what"}, 0},
		{"unknown", func(context.Context) Explanation { return Explanation{} }, Explanation{}, 0},
		{"slow", func(ctx context.Context) Explanation { <-ctx.Done(); return Explanation{Hint: "h"} }, Explanation{Hint: "h"}, explainTimeout},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := &fakeExplainer{explain: test.explain}
				r := newRig(t, refusing(`MPAM authentication failed for user "app_user"`), func(cfg *Config) { cfg.Routes[0].Refusals = e })
				begin := time.Now()
				c := r.dial()
				c.send(plainStartup)
				got := c.failed()
				if took := time.Since(begin); took < test.takes || took > test.takes+farewell {
					t.Errorf("the refusal took %v, want %v and a farewell", took, test.takes)
				}
				r.stop()
				if got['D'] != test.want.Detail || got['H'] != test.want.Hint {
					t.Errorf("DETAIL %q and HINT %q, want %q and %q", got['D'], got['H'], test.want.Detail, test.want.Hint)
				}
				want := Refusal{User: "app_user", SQLState: "28000", Message: `PAM authentication failed for user "app_user"`}
				if len(e.asked) != 1 || e.asked[0] != want {
					t.Errorf("asked %+v, want %+v once", e.asked, want)
				}
				if test.want.Cause != "" && !r.log.hasLine("session ended", "cause="+test.want.Cause) {
					t.Errorf("no cause in the log:\n%s", r.log.bytes())
				}
			})
		})
	}
}

// refusing is a database that refuses every password with 28000 and a field.
func refusing(field string) func(*databaseConn) {
	return func(c *databaseConn) {
		c.startup()
		c.send(authRequest(3))
		readMessage(c)
		c.send(errorPacket("SFATAL", "C28000", field))
	}
}

// fakeExplainer notes what it is asked to explain.
type fakeExplainer struct {
	explain func(context.Context) Explanation // nil explains nothing
	passing bool

	mu    sync.Mutex
	asked []Refusal
}

func (f *fakeExplainer) Passing(Refusal) bool { return f.passing }

func (f *fakeExplainer) Explain(ctx context.Context, r Refusal) Explanation {
	f.mu.Lock()
	f.asked = append(f.asked, r)
	f.mu.Unlock()
	if f.explain == nil {
		return Explanation{}
	}
	return f.explain(ctx)
}

// A refusal that may pass is met with one more login, with a token of its own,
// and the client notices nothing but the time.
func TestLoginIsRepeatedOnce(t *testing.T) {
	tests := []struct {
		name     string
		passing  bool
		refusals int64 // how many logins the database refuses
		attempts int64
		fails    bool
	}{
		{"passes", true, 1, 2, false},
		{"stays", true, 9, 2, true},
		{"not worth another", false, 9, 1, true},
		{"nothing to repeat", true, 0, 1, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var attempts atomic.Int64
				r := newRig(t, func(c *databaseConn) {
					if attempts.Add(1) <= test.refusals {
						refusing(`MPAM authentication failed for user "app_user"`)(c)
						return
					}
					c.logIn()
					c.untilTerminate()
				}, func(cfg *Config) { cfg.Routes[0].Refusals = &fakeExplainer{passing: test.passing} })
				begin := time.Now()
				c := r.dial()
				c.send(plainStartup)
				if test.fails {
					if got := c.failed(); got['C'] != "28000" {
						t.Errorf("got %q, want the refusal", got)
					}
				} else {
					c.expect(join(authRequest(0), keyData(7, []byte("key7")), readyForQuery))
					c.Close()
				}
				if took := time.Since(begin); took > retryPause+retryJitter+2*farewell {
					t.Errorf("it took %v, want less than a second and the farewell", took)
				}
				r.stop()
				if n := attempts.Load(); n != test.attempts || len(r.tokens.users) != int(test.attempts) {
					t.Errorf("%d logins with %d tokens, want %d each", n, len(r.tokens.users), test.attempts)
				}
				if n := r.server.Snapshot().Retries; n != test.attempts-1 {
					t.Errorf("%d repeated logins counted, want %d", n, test.attempts-1)
				}
			})
		})
	}
}

// Drivers take a second NegotiateProtocolVersion for a broken server.
func TestRepeatedLoginNegotiatesOnce(t *testing.T) {
	negotiate := message('v', 0, 3, 0, 0, 0, 0, 0, 0)
	for _, test := range []struct {
		name     string
		refusals int64
		asks     []byte // what the database asks for in place of the token, when it refuses so
	}{{"passes", 1, nil}, {"stays", 9, nil}, {"asks for another password", 9, authRequest(10)}} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var attempts atomic.Int64
				r := newRig(t, func(c *databaseConn) {
					c.startup()
					c.send(negotiate)
					if test.asks != nil {
						c.send(test.asks)
						return
					}
					c.send(authRequest(3))
					readMessage(c)
					if attempts.Add(1) <= test.refusals {
						c.send(errorPacket("SFATAL", "C28000", "Mno"))
						return
					}
					c.send(authRequest(0), readyForQuery)
					c.untilTerminate()
				}, func(cfg *Config) { cfg.Routes[0].Refusals = &fakeExplainer{passing: true} })
				c := r.dial()
				c.send(startupPacket(3<<16|2, "user", "app_user"))
				c.expect(negotiate)
				if test.refusals > 1 {
					if got := c.failed(); got['C'] != "28000" {
						t.Errorf("got %q, want the refusal", got)
					}
				} else {
					c.expect(join(authRequest(0), readyForQuery))
					c.Close()
				}
				r.stop()
			})
		})
	}
}

// Neither a client that leaves nor a shutdown waits for the pause, and nobody is
// dialled after it.
func TestNoRepeatForNobody(t *testing.T) {
	for name, end := range map[string]func(*rig, *client){
		"client left": func(_ *rig, c *client) { c.Close() },
		"shutdown":    func(r *rig, _ *client) { r.cut() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var attempts atomic.Int64
				r := newRig(t, func(c *databaseConn) {
					attempts.Add(1)
					refusing("Mno")(c)
				}, func(cfg *Config) { cfg.Routes[0].Refusals = &fakeExplainer{passing: true} })
				c := r.dial()
				c.send(plainStartup)
				synctest.Wait() // the refusal has come, the pause has begun
				begin := time.Now()
				end(r, c)
				c.Close()
				r.stop()
				if took := time.Since(begin); took >= retryPause {
					t.Errorf("the end took %v", took)
				}
				if n := attempts.Load(); n != 1 {
					t.Errorf("%d logins, want 1", n)
				}
			})
		})
	}
}

// A login is repeated only where there is time for as much as it has taken. Where the
// repetition takes longer even so, the client reads the refusal, not that time is up.
func TestRepeatsHaveTime(t *testing.T) {
	for _, test := range []struct {
		name     string
		first    time.Duration // until the refusal
		attempts int64
		took     time.Duration // at most
	}{
		{"none is left", 3 * time.Second, 1, 3 * time.Second},
		{"the second attempt hangs", 0, 2, 5 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var attempts atomic.Int64
				r := newRig(t, func(c *databaseConn) {
					if attempts.Add(1) > 1 {
						io.Copy(io.Discard, c)
						return
					}
					time.Sleep(test.first) // the bubble's clock
					refusing("Mno")(c)
				}, func(cfg *Config) {
					cfg.Routes[0].Refusals = &fakeExplainer{passing: true}
					cfg.LoginTimeout = 5 * time.Second
				})
				began := time.Now()
				c := r.dial()
				c.send(plainStartup)
				if got := c.failed(); got['M'] != "no" {
					t.Errorf("the client got %q, want the refusal", got)
				}
				if took := time.Since(began); took > test.took+farewell {
					t.Errorf("the client waited %v, want %v at most", took, test.took)
				}
				c.Close()
				r.stop()
				if n := attempts.Load(); n != test.attempts {
					t.Errorf("%d logins, want %d", n, test.attempts)
				}
			})
		})
	}
}
