package proxy

import (
	"bytes"
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

func TestTurnsAreTakenInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var turns turns
		var order []string
		var queued []int
		take := func(ctx context.Context, name string, unasked bool) {
			if err := turns.take(ctx, unasked, func(n int) { queued = append(queued, n) }); err != nil {
				name += ": " + err.Error()
			}
			order = append(order, name)
		}
		for range loginsAtOnce {
			take(t.Context(), "", false)
		}
		if len(queued) > 0 {
			t.Errorf("somebody waited, with %d turns free", loginsAtOnce)
		}
		order = nil
		leaving, leave := context.WithCancel(t.Context())
		for _, who := range []struct {
			name    string
			ctx     context.Context
			unasked bool
		}{{"ready", t.Context(), true}, {"a", t.Context(), false}, {"left", leaving, false}, {"b", t.Context(), false}} {
			go take(who.ctx, who.name, who.unasked)
			synctest.Wait()
		}
		if want := []int{64, 65, 66, 67}; !slices.Equal(queued, want) {
			t.Errorf("told of %v logins, want %v", queued, want)
		}
		leave()
		synctest.Wait()
		give := func(n int) {
			for range n {
				turns.give(false)
				synctest.Wait()
			}
		}
		give(2)
		want := []string{"left: waiting for its turn: 64 logins are under way, and 2 more wait", "a", "b"}
		if !slices.Equal(order, want) {
			t.Errorf("turns went to %q, want %q", order, want)
		}
		// The one that nobody waits for came behind 64 clients. As many must be done, and the
		// one that left is.
		give(loginsAtOnce - 2 - 1 - 1)
		if !slices.Equal(order, want) {
			t.Errorf("turns went to %q, with too many clients before the last", order)
		}
		give(1)
		if want = append(want, "ready"); !slices.Equal(order, want) {
			t.Errorf("turns went to %q, want %q", order, want)
		}
		give(3)
		turns.give(true)
		if turns.busy != 0 || turns.asked != 0 || turns.clients.Len()+turns.unasked.Len() != 0 {
			t.Errorf("left: %d busy, %d waiting", turns.busy, turns.clients.Len()+turns.unasked.Len())
		}
	})
}

// A few clients that come together, each of which waits for an SSM session of its own, do
// not get one of them taken by a login that is made ready for the first that is done.
func TestReadyLoginComesAfterAFewClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var turns turns
		take := func(unasked bool) {
			if err := turns.take(t.Context(), unasked, nil); err != nil {
				t.Error(err)
			}
		}
		for range 4 {
			take(false)
		}
		turns.give(false)
		came := make(chan struct{})
		go func() {
			take(true)
			close(came)
		}()
		for left := 3; left > 0; left-- {
			synctest.Wait()
			select {
			case <-came:
				t.Fatalf("it has its turn, with %d clients under way", left)
			default:
				turns.give(false)
			}
		}
		<-came
		turns.give(true)
	})
}

// expectant is a Dialer that hears what comes.
type expectant struct {
	*database
	mu       sync.Mutex
	open     int // dials whose login is under way
	most     int
	expected []int
}

func (e *expectant) Expect(_ context.Context, address string, dials int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if address != host+":5432" {
		dials = -1
	}
	e.expected = append(e.expected, dials)
}

func (e *expectant) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	e.mu.Lock()
	e.open++
	e.most = max(e.most, e.open)
	e.mu.Unlock()
	return e.database.DialContext(ctx, network, address)
}

func (e *expectant) done() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.open--
}

// TestStorm has four times as many clients come as may log in together, at a database that
// takes a second for each.
func TestStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const clients = 4 * loginsAtOnce
		var dialer *expectant
		r := newRig(t, func(c *databaseConn) {
			c.startup()
			time.Sleep(time.Second)
			dialer.done()
			c.send(authRequest(0), readyForQuery)
			c.untilTerminate()
		}, func(cfg *Config) {
			dialer = &expectant{database: cfg.Routes[0].Dialer.(*database)}
			cfg.Routes[0].Dialer = dialer
		})
		began := time.Now()
		var mu sync.Mutex
		var order []int
		var all sync.WaitGroup
		for i := range clients {
			c := r.dial()
			c.send(plainStartup)
			synctest.Wait() // so that they come in this order
			all.Go(func() {
				c.expect(join(authRequest(0), readyForQuery))
				mu.Lock()
				order = append(order, i/loginsAtOnce)
				mu.Unlock()
				c.send(terminate)
				c.Close()
			})
		}
		all.Wait()
		if took := time.Since(began); took != clients/loginsAtOnce*time.Second {
			t.Errorf("all were in after %v, want %v", took, clients/loginsAtOnce*time.Second)
		}
		if dialer.most > loginsAtOnce {
			t.Errorf("%d logins at once, want %d at most", dialer.most, loginsAtOnce)
		}
		if !slices.IsSorted(order) {
			t.Errorf("clients got in by turns of %v", order)
		}
		if n := len(dialer.expected); n != clients-loginsAtOnce || dialer.expected[n-1] != clients {
			t.Errorf("the Dialer heard %d times of more to come, last of %v", n, dialer.expected[max(0, n-1):])
		}
		r.stop()
	})
}

func TestStormThatCannotBeServedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, func(cfg *Config) {
			cfg.LoginTimeout = 20 * time.Second
			cfg.Routes[0].Dialer = stuckDial(make(chan error, 2*loginsAtOnce))
		})
		var all sync.WaitGroup
		var mu sync.Mutex
		words := map[string]int{}
		for range loginsAtOnce + 10 {
			c := r.dial()
			c.send(plainStartup)
			all.Go(func() {
				told := c.failed()
				mu.Lock()
				defer mu.Unlock()
				words[told['C']+" "+told['M']]++
				if told['D'] != "" && told['C'] != causes.LoginOverdue.SQLState {
					t.Errorf("client got %q", told)
				}
				c.Close()
			})
		}
		began := time.Now()
		all.Wait()
		if took := time.Since(began); took > 21*time.Second {
			t.Errorf("the last was told after %v", took)
		}
		if want := "57P03 login not finished within 20s"; words[want] != loginsAtOnce+10 {
			t.Errorf("clients got %v, want all %q", words, want)
		}
		r.stop()
		if !r.log.hasLine("session ended", "waiting for its turn: ") {
			t.Error("the log does not say what was waited for")
		}
	})
}

// Each person with a role has a way of their own, with AWS calls and SSM sessions that may
// hang.
func TestHangingLoginsOfOnePersonHoldUpNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := stuckDial(make(chan error, 2*loginsAtOnce))
		r := newRig(t, func(c *databaseConn) { c.startup(); c.send(authRequest(0), readyForQuery); c.untilTerminate() }, func(cfg *Config) {
			cfg.Proof = proofFunc(func(_ context.Context, c *Claim) (string, error) { return c.User, nil })
			cfg.Grants = func(w Wanted) (Grant, error) {
				if w.Identity == "eve" {
					return Grant{}, nil
				}
				return Grant{Role: "analyst"}, nil
			}
			route := cfg.Routes[0]
			cfg.Routes[0].As = func(_, identity string) (Route, error) {
				as := route
				if identity == "ada" {
					as.Dialer = stuck
				}
				return as, nil
			}
		})
		var hanging []*client
		for range loginsAtOnce + 1 {
			c := r.dial()
			c.send(startupPacket(3<<16, "user", "ada"))
			hanging = append(hanging, c)
		}
		synctest.Wait()
		began := time.Now()
		for _, user := range []string{"bob", "eve"} { // with the same role, and with none
			c := r.dial()
			c.send(startupPacket(3<<16, "user", user))
			c.expect(join(authRequest(0), readyForQuery))
			if took := time.Since(began); took > 0 {
				t.Errorf("%s waited %v for the logins of somebody else", user, took)
			}
			c.send(terminate)
			c.Close()
		}
		for _, c := range hanging {
			c.Close()
		}
		time.Sleep(10 * time.Second)
		r.stop()
		if n := len(r.server.routes[0].turns.all); n != 0 {
			t.Errorf("turns are kept for %d ways that nobody takes", n)
		}
	})
}

// What follows a refusal is no login any more: others may log in.
func TestTurnIsOverWhenTheDatabaseHasRefused(t *testing.T) {
	slow := func(ctx context.Context) Explanation { <-ctx.Done(); return Explanation{} }
	for name, test := range map[string]struct {
		behind    bool // AuthenticationOk
		explainer *fakeExplainer
	}{
		"AWS is asked why":                          {false, &fakeExplainer{explain: slow}},
		"AWS is asked why, behind AuthenticationOk": {true, &fakeExplainer{explain: slow}},
		"a pause before the login is repeated":      {false, &fakeExplainer{passing: true}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, func(c *databaseConn) {
					if !bytes.Contains(c.startup(), []byte("stranger")) {
						c.send(authRequest(0), readyForQuery)
						c.untilTerminate()
						return
					}
					if test.behind {
						c.send(authRequest(0))
					}
					c.send(errorPacket("SFATAL", "VFATAL", "C28000", "Mno"))
				}, func(cfg *Config) { cfg.Routes[0].Refusals = test.explainer })
				var refused sync.WaitGroup
				for range loginsAtOnce {
					c := r.dial()
					c.send(startupPacket(3<<16, "user", "stranger"))
					refused.Go(func() {
						if test.behind {
							c.expect(authRequest(0))
						}
						if got := c.failed(); got['C'] != "28000" {
							t.Errorf("client got %q", got)
						}
						c.Close()
					})
				}
				synctest.Wait()
				began := time.Now()
				c := r.dial()
				c.send(plainStartup)
				c.expect(join(authRequest(0), readyForQuery))
				if took := time.Since(began); took > 0 {
					t.Errorf("a client waited %v for logins that were refused", took)
				}
				c.send(terminate)
				c.Close()
				refused.Wait()
				r.stop()
			})
		})
	}
}

func TestTunnelIsPreparedWhileTheClientShakesHands(t *testing.T) {
	for name, test := range map[string]struct {
		say    []byte
		shared bool
		barred bool
		proof  Proof
		want   int
	}{
		"asks for TLS":                          {sslRequest, false, false, nil, 1},
		"asks for GSSAPI":                       {gssRequest, false, false, nil, 1},
		"begins with TLS":                       {[]byte{0x16}, false, false, nil, 1},
		"asks for TLS at a shared port":         {sslRequest, true, false, nil, 1},
		"says nothing":                          {nil, false, false, nil, 0},
		"is a browser":                          {[]byte("GET / HTTP/1.1\r\n"), false, false, nil, 0},
		"cancels something":                     {codePacket(80877102, 0, 0, 0, 7, 'k', 'e', 'y', '7'), false, false, nil, 0},
		"asks for TLS, and may not connect":     {sslRequest, false, true, nil, 0},
		"asks for TLS where two could be meant": {sslRequest, true, false, nil, -1},
		"asks for TLS, and has proved nothing":  {sslRequest, false, false, provenAs("ada"), 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var dialer *expectant
				r := newRig(t, func(*databaseConn) {}, func(cfg *Config) {
					dialer = &expectant{database: cfg.Routes[0].Dialer.(*database)}
					cfg.Routes[0].Dialer = dialer
					if test.shared {
						cfg.Shared, cfg.Routes[0].Listen = cfg.Routes[0].Listen, nil
					}
					if test.want < 0 {
						other := cfg.Routes[0]
						other.Name = "other"
						cfg.Routes = append(cfg.Routes, other)
					}
					cfg.Proof = test.proof
					if test.barred {
						cfg.Admit = func(net.Conn) error { return errors.New("no") }
					}
				})
				c := r.dial()
				if test.say != nil {
					c.send(test.say)
				}
				synctest.Wait()
				if n := len(dialer.expected); n != max(test.want, 0) {
					t.Errorf("the Dialer heard %v, want %d", dialer.expected, max(test.want, 0))
				}
				c.Close()
				synctest.Wait()
				r.stop()
			})
		})
	}
}
