package proxy

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

var passwordMessage = message('p', append([]byte(secretToken), 0)...)

// flights is a conn that counts how often its user has to wait before it can go
// on: what is written in a row is one flight.
type flights struct {
	net.Conn
	count   atomic.Int64
	writing bool
}

func (c *flights) Write(p []byte) (int, error) {
	if !c.writing {
		c.count.Add(1)
	}
	c.writing = true
	return c.Conn.Write(p)
}

func (c *flights) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.writing = false
	}
	return n, err
}

// dialled makes the Route's Dialer wrap each conn to r.db by its number.
func (r *rig) dialled(wrap func(n int, c net.Conn) net.Conn) {
	n := 0
	r.server.routes[0].Dialer = dialFunc(func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := r.db.DialContext(ctx, network, address)
		if err == nil {
			n++
			c = wrap(n, c)
		}
		return c, err
	})
}

// visit logs a client in, wants to see exactly want, and leaves.
func (r *rig) visit(startup, want []byte) {
	r.t.Helper()
	c := r.dial()
	c.send(startup)
	c.expect(want)
	c.send(terminate)
	c.Close()
	synctest.Wait()
}

func TestSecondLoginTakesOneFlightLess(t *testing.T) {
	other := startupPacket(3<<16, "user", "other", "database", "app")
	for _, test := range []struct {
		name   string
		direct bool
		want   [4]int64
	}{
		{"after SSLRequest", false, [4]int64{4, 3, 4, 3}},
		{"direct TLS", true, [4]int64{3, 2, 3, 2}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, func(c *databaseConn) {
					c.logIn()
					c.untilTerminate()
				}, func(cfg *Config) { cfg.Routes[0].DirectTLS = test.direct })
				r.db.direct, r.db.tls.NextProtos = test.direct, []string{"postgresql"}
				var last *flights
				r.dialled(func(_ int, c net.Conn) net.Conn {
					last = &flights{Conn: c}
					return last
				})
				for i, startup := range [][]byte{plainStartup, plainStartup, other, other} {
					c := r.dial()
					c.send(startup)
					c.expect(join(authRequest(0), keyData(7, []byte("key7")), readyForQuery))
					if got := last.count.Load(); got != test.want[i] {
						t.Errorf("login %d took %d flights, want %d", i+1, got, test.want[i])
					}
					c.Close()
				}
				r.stop()
				if got := fmt.Sprint(r.tokens.users); got != "[app_user app_user other other]" {
					t.Errorf("tokens made for %s, want one a login", got)
				}
			})
		})
	}
}

// What a database says before it asks for the token waits until it does, and
// reaches the client in the order it always had.
func TestEarlyTokenKeepsTheOrderOfTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		negotiate := message('v', 0, 0, 0, 0, 0, 0, 0, 0)
		notice := message('N', []byte("SNOTICE\x00Mhello\x00\x00")...)
		logins := 0
		r := newRig(t, func(c *databaseConn) {
			logins++
			c.startup()
			if logins > 1 {
				c.expect(passwordMessage) // before a word is said
			}
			c.send(notice, negotiate, authRequest(3))
			if logins == 1 {
				c.expect(passwordMessage)
			}
			c.send(authRequest(0), readyForQuery)
			c.untilTerminate()
		}, nil)
		for range 3 {
			r.visit(plainStartup, join(negotiate, authRequest(0), notice, readyForQuery))
		}
		r.stop()
		if logins != 3 {
			t.Errorf("%d connections for 3 logins", logins)
		}
	})
}

func TestWrongGuessIsRepeatedUnnoticed(t *testing.T) {
	negotiate := message('v', 0, 0, 0, 0, 0, 0, 0, 0)
	tests := []struct {
		name string
		says []byte
	}{
		{"SCRAM", authRequest(10, []byte("SCRAM-SHA-256\x00\x00")...)},
		{"MD5", authRequest(5, 1, 2, 3, 4)},
		{"nothing asked", join(authRequest(0), readyForQuery)},
		{"negotiation, then MD5", join(negotiate, authRequest(5, 1, 2, 3, 4))},
		{"protocol violation", errorPacket("SFATAL", "C08P01", "Munexpected message")},
		{"authentication failed", errorPacket("SFATAL", "C28000", "Mno")},
		{"malformed error", message('E', 'C', '2')},
		{"the end", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conns := 0
				r := newRig(t, func(c *databaseConn) {
					conns++
					c.startup()
					switch conns {
					case 1:
						c.send(authRequest(3))
						c.expect(passwordMessage)
						c.send(authRequest(0), readyForQuery)
						c.untilTerminate()
					case 2:
						c.expect(passwordMessage)
						c.Write(test.says)
					default: // unguessed: the token would be read as the Terminate
						c.send(negotiate, authRequest(0), readyForQuery)
						c.expect(terminate)
					}
				}, nil)
				r.visit(plainStartup, join(authRequest(0), readyForQuery))
				r.visit(plainStartup, join(negotiate, authRequest(0), readyForQuery))
				r.visit(plainStartup, join(negotiate, authRequest(0), readyForQuery))
				r.stop()
				if conns != 4 || len(r.tokens.users) != 2 {
					t.Errorf("%d connections and %d tokens, want 4 and 2", conns, len(r.tokens.users))
				}
				if r.log.hasLine("level=ERROR") || r.log.hasLine("level=WARN") {
					t.Errorf("a wrong guess is no trouble:\n%s", r.log.bytes())
				}
			})
		})
	}
}

// Errors that the early token did not cause, or that come a second time, are
// the client's to see.
func TestGuessesThatAreNotRepeated(t *testing.T) {
	tests := []struct {
		name  string
		says  []byte // with an early token
		then  []byte // without
		state string
		conns int
	}{
		{"starting up", errorPacket("SFATAL", "C57P03", "Mstarting up"), nil, "57P03", 2},
		{"too many clients", errorPacket("SFATAL", "C53300", "Mtoo many"), nil, "53300", 2},
		{"token refused", join(authRequest(3), errorPacket("SFATAL", "C28000", "MPAM authentication failed")), nil, "28000", 2},
		{"gone after asking", authRequest(3), nil, "08006", 2},
		{"asks twice", join(authRequest(3), authRequest(3)), nil, "08004", 2},
		{"SCRAM both times", authRequest(10), authRequest(10), "28000", 3},
		{"gone both times", nil, nil, "08006", 3},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conns := 0
				r := newRig(t, func(c *databaseConn) {
					conns++
					c.startup()
					switch conns {
					case 1:
						c.send(authRequest(3))
						c.expect(passwordMessage)
						c.send(authRequest(0), readyForQuery)
						c.untilTerminate()
					case 2:
						c.expect(passwordMessage)
						c.Write(test.says)
					default:
						c.Write(test.then)
					}
				}, nil)
				r.visit(plainStartup, join(authRequest(0), readyForQuery))
				c := r.dial()
				c.send(plainStartup)
				if got := c.failed(); got['C'] != test.state {
					t.Errorf("got %q, want %s", got, test.state)
				}
				r.stop()
				if conns != test.conns {
					t.Errorf("%d connections, want %d", conns, test.conns)
				}
			})
		})
	}
}

func TestEarlyTokenThatCannotBeMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conns := 0
		r := newRig(t, func(c *databaseConn) {
			if conns++; conns == 1 {
				c.logIn()
				c.untilTerminate()
			} else if p, err := readStartupPacket(c); err == nil {
				t.Errorf("database got %q, want the end", p)
			}
		}, nil)
		r.visit(plainStartup, join(authRequest(0), keyData(7, []byte("key7")), readyForQuery))
		r.tokens.err = &statedError{"no AWS credentials", "28000", "SSO session expired", "run `aws sso login`"}
		c := r.dial()
		c.send(plainStartup)
		if got := c.failed(); got['C'] != "28000" || !strings.Contains(got['H'], "aws sso login") {
			t.Errorf("got %q, want 28000 and the hint", got)
		}
		r.stop()
		if conns != 2 {
			t.Errorf("%d connections, want 2", conns)
		}
	})
}

// A server that is struck dumb by an early token must not be met with one again.
func TestSilenceAfterAGuessIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dumb atomic.Bool
		r := newRig(t, func(c *databaseConn) {
			if dumb.Load() {
				io.Copy(io.Discard, c)
				return
			}
			c.startup()
			c.send(authRequest(3))
			c.expect(passwordMessage)
			c.send(authRequest(0), readyForQuery)
			c.untilTerminate()
		}, nil)
		r.visit(plainStartup, join(authRequest(0), readyForQuery))
		dials := 0
		r.server.routes[0].Dialer = dialFunc(func(ctx context.Context, network, address string) (net.Conn, error) {
			dials++
			return r.db.DialContext(ctx, network, address)
		})
		dumb.Store(true)
		c := r.dial()
		c.send(plainStartup)
		if got := c.failed(); got['C'] != "57P03" {
			t.Errorf("got %q, want 57P03", got)
		}
		if dials != 1 {
			t.Errorf("%d dials, want no other once the time is up", dials)
		}
		dumb.Store(false)
		if r.server.routes[0].guesses.clearText("app_user") {
			t.Error("the next login would send its token unasked")
		}
		r.visit(plainStartup, join(authRequest(0), readyForQuery))
		r.stop()
	})
}

func TestGuessesAreForTheUsersWhoLoggedInLast(t *testing.T) {
	var g guesses
	name := func(i int) string { return fmt.Sprint("user", i) }
	for i := range maxGuesses {
		g.note(name(i), true)
	}
	g.note(name(0), true)
	g.note(name(5), false)
	g.note(name(5), false)
	g.note("nobody", false)
	for i := maxGuesses; i < maxGuesses+3; i++ { // one into 5's place, two push others out
		g.note(name(i), true)
	}
	for i, want := range map[int]bool{0: true, 1: false, 2: false, 3: true, 5: false, maxGuesses + 2: true} {
		if got := g.clearText(name(i)); got != want {
			t.Errorf("%s: %v, want %v", name(i), got, want)
		}
	}
	if len(g.users) != maxGuesses {
		t.Errorf("%d users, want %d", len(g.users), maxGuesses)
	}
}
