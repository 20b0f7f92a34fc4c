package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

func TestRouteIsResolvedForEachLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stale []bool
		refuse := true
		r := newRig(t, func(c *databaseConn) {
			c.startup()
			if refuse {
				c.send(errorPacket("SFATAL", "VFATAL", "C28000", "Mno"))
				return
			}
			c.send(authRequest(0), readyForQuery)
			c.untilTerminate()
		}, func(cfg *Config) {
			whole := cfg.Routes[0]
			cfg.Routes[0] = Route{Name: "orders", Listen: whole.Listen, Resolve: func(_ context.Context, again bool) (Route, error) {
				stale = append(stale, again)
				if len(stale) == 1 {
					return Route{}, &statedError{"no database \"orders\"", "08001", "asked in eu-west-1", "name another"}
				}
				return whole, nil
			}}
		})
		defer r.stop()
		c := r.dial()
		c.send(plainStartup)
		told := c.failed()
		if told['M'] != `finding orders: no database "orders"` || told['C'] != "08001" || told['D'] != "asked in eu-west-1" || told['H'] != "name another" {
			t.Errorf("the client is told %q", told)
		}
		c = r.dial()
		c.send(plainStartup)
		if told := c.failed(); told['C'] != "28000" {
			t.Errorf("the database's refusal: %q", told)
		}
		refuse = false
		for range 2 {
			c = r.dial()
			c.send(plainStartup)
			c.expect(join(authRequest(0), readyForQuery))
			c.send(terminate)
			synctest.Wait() // how a login went is noted after ReadyForQuery
		}
		if want := []bool{false, false, false, false}; !slices.Equal(stale, want) {
			t.Errorf("asked with stale %v, want %v", stale, want)
		}
	})
}

// A writer that has become read-only may have another address, where it is one that moves;
// a reader is read-only every day.
func TestReadOnlyDatabaseThatMovesIsStale(t *testing.T) {
	for _, moves := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			var stale []bool
			r := newRig(t, func(c *databaseConn) {
				c.startup()
				c.send(authRequest(0), readyForQuery)
				c.send(errorPacket("SERROR", "VERROR", "C25006", "Mcannot execute INSERT in a read-only transaction"), readyForQuery)
				c.untilTerminate()
			}, func(cfg *Config) {
				whole := cfg.Routes[0]
				whole.Moves = moves
				cfg.Routes[0] = Route{Name: "orders", Listen: whole.Listen, Resolve: func(_ context.Context, again bool) (Route, error) {
					stale = append(stale, again)
					return whole, nil
				}}
			})
			defer r.stop()
			for range 2 {
				c := r.dial()
				c.send(plainStartup)
				c.expect(join(authRequest(0), readyForQuery))
				c.expect(join(errorPacket("SERROR", "VERROR", "C25006", "Mcannot execute INSERT in a read-only transaction"), readyForQuery))
				c.send(terminate)
				c.Close()
				synctest.Wait()
			}
			if want := []bool{false, moves}; !slices.Equal(stale, want) {
				t.Errorf("moves %v: asked with stale %v, want %v", moves, stale, want)
			}
		})
	}
}

// TestOnlyAnAddressThatLeadsAstrayIsStale has logins go wrong in each way: a
// database that says no is where it was.
func TestOnlyAnAddressThatLeadsAstrayIsStale(t *testing.T) {
	says := func(fields ...string) func(*databaseConn) {
		return func(c *databaseConn) { c.startup(); c.send(errorPacket(append([]string{"SFATAL"}, fields...)...)) }
	}
	dialled := func(answer string) func(*Route) {
		return func(r *Route) {
			r.Dialer = dialFunc(func(context.Context, string, string) (net.Conn, error) {
				near, far := net.Pipe()
				go func() {
					defer far.Close()
					readStartupPacket(far)
					io.WriteString(far, answer)
				}()
				return near, nil
			})
		}
	}
	refused := func(err error) func(*Route) {
		return func(r *Route) {
			r.Dialer = dialFunc(func(context.Context, string, string) (net.Conn, error) { return nil, err })
		}
	}
	for _, tt := range []struct {
		name    string
		session func(*databaseConn)
		change  func(*Route)
		want    bool
	}{
		{"user refused", says("C28000", "Mno"), nil, false},
		{"password refused", says("C28P01", "Mno"), nil, false},
		{"no such database", says("C3D000", "Mno"), nil, false},
		{"too many connections", says("C53300", "Mno"), nil, false},
		{"starting up", says("C57P03", "Mno"), nil, false},
		{"another password", func(c *databaseConn) { c.startup(); c.send(authRequest(10)) }, nil, false},
		{"refused after AuthenticationOk", func(c *databaseConn) {
			c.startup()
			c.send(authRequest(0), errorPacket("SFATAL", "VFATAL", "C53300", "Mno"))
		}, nil, false},
		{"closed during the login", func(c *databaseConn) { c.startup() }, nil, false},
		{"no token", func(c *databaseConn) { c.startup(); c.send(authRequest(3)); readMessage(c) },
			func(r *Route) { r.Tokens = &fakeTokens{err: errors.New("no credentials")} }, false},
		{"no credentials for the way", nil, refused(causes.CredentialsFailed.New(nil, nil)), false},
		{"no jump host", nil, refused(causes.TargetNotConnected.New(nil, nil)), false},
		{"no process for it", nil, dialled("Ecould not fork\x00"), false},
		{"refused dial", nil, refused(&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}), true},
		{"dial without an answer", nil, refused(&net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}), true},
		{"refused dial of the jump host", nil, refused(causes.DatabaseRefuses.New(nil, nil)), true},
		{"name unknown to the jump host", nil, refused(causes.NameUnknown.New(nil, nil)), true},
		{"closed at once", nil, dialled(""), true},
		{"no TLS", nil, dialled("N"), true},
		{"another protocol", nil, dialled("HTTP/1.1 400"), true},
		{"another name", nil, func(r *Route) {
			trusted := r.TLS
			r.TLS = func() *tls.Config { cfg := trusted(); cfg.ServerName = "billing." + host; return cfg }
		}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var stale []bool
				r := newRig(t, tt.session, func(cfg *Config) {
					whole := cfg.Routes[0]
					if tt.change != nil {
						tt.change(&whole)
					}
					cfg.Routes[0] = Route{Name: "orders", Listen: whole.Listen, Resolve: func(_ context.Context, again bool) (Route, error) {
						stale = append(stale, again)
						return whole, nil
					}}
				})
				for range 2 {
					c := r.dial()
					c.send(plainStartup)
					for { // an AuthenticationOk may come first
						if m, err := readMessage(c); err != nil || m[0] == 'E' {
							break
						}
					}
					c.Close()
					synctest.Wait()
				}
				r.stop()
				if want := []bool{false, tt.want}; !slices.Equal(stale, want) {
					t.Errorf("asked with stale %v, want %v", stale, want)
				}
			})
		})
	}
}

// A database that was reached is where it was looked up, whatever it says; and a
// failure on the way to the jump host says nothing of it.
func TestStaleUntilTheDatabaseIsReached(t *testing.T) {
	unreachable := causes.DatabaseUnreachable.New(nil, nil)
	gone, leave := context.WithCancelCause(t.Context())
	leave(errClientGone)
	for _, tt := range []struct {
		name   string
		before bool
		ctx    context.Context
		err    error
		want   bool
	}{
		{"unreachable", false, t.Context(), unreachable, true},
		{"unreachable, and the client left", false, gone, unreachable, false},
		{"no jump host", true, t.Context(), causes.TargetNotConnected.New(nil, nil), true},
		{"refused", true, t.Context(), &refusal{code: "53300"}, false},
		{"logged in", true, t.Context(), nil, false},
	} {
		r := new(served)
		r.stale.Store(tt.before)
		if r.outcome(tt.ctx, tt.err); r.stale.Load() != tt.want {
			t.Errorf("%s: stale %v, want %v", tt.name, r.stale.Load(), tt.want)
		}
	}
}

func TestResolvedRouteMustBeWhole(t *testing.T) {
	r := Route{Name: "orders", Resolve: func(context.Context, bool) (Route, error) { return Route{Address: "h:1"}, nil }}
	if _, err := r.resolved(t.Context(), false); err == nil || !strings.Contains(err.Error(), "must be set") {
		t.Errorf("a route without a dialer: %v", err)
	}
	_, err := Probe(t.Context(), Route{Name: "orders", Resolve: func(context.Context, bool) (Route, error) {
		return Route{}, errors.New("no such name")
	}}, "u", "d", 0, func(s ProbeStep) {
		if s.Stage != ProbeDial || s.Err == nil {
			t.Errorf("told %+v", s)
		}
	})
	if err == nil || !strings.Contains(err.Error(), "no such name") {
		t.Errorf("a probe without a database: %v", err)
	}
}
