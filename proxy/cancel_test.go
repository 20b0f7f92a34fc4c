package proxy

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// cancelRig has a database that hands out pid and secret, notes the cancel
// requests it gets and takes a second to act on each.
func cancelRig(t *testing.T, pid uint32, secret []byte, got chan<- []byte, change func(*Config)) *rig {
	return newRig(t, func(c *databaseConn) {
		p := c.startup()
		if bytes.Equal(p[4:8], codePacket(80877102)[4:8]) {
			got <- p
			time.Sleep(time.Second)
			return
		}
		c.send(authRequest(0), keyData(pid, secret), readyForQuery)
		c.untilTerminate()
	}, change)
}

func TestCancelGoesToTheSessionItNames(t *testing.T) {
	long := bytes.Repeat([]byte("secret!!"), 32)
	for _, test := range []struct {
		name   string
		secret []byte
		via    func(c *client, s *Server) *client
	}{
		{"plain", []byte("key7"), func(c *client, _ *Server) *client { return c }},
		{"256-byte key", long, func(c *client, _ *Server) *client { return c }},
		{"inside TLS", long, func(c *client, s *Server) *client {
			c.send(sslRequest)
			c.expect([]byte{'S'})
			return c.secure(s)
		}},
		{"inside direct TLS", []byte("key7"), func(c *client, s *Server) *client { return c.secure(s, "postgresql") }},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got := make(chan []byte, 9)
				// A cancel must pass when no session does.
				r := cancelRig(t, 7, test.secret, got, func(cfg *Config) { cfg.MaxConnections = 1 })
				c := r.dial()
				c.send(plainStartup)
				c.expect(join(authRequest(0), keyData(7, test.secret), readyForQuery))

				began := time.Now()
				request := codePacket(80877102, append([]byte{0, 0, 0, 7}, test.secret...)...)
				side := test.via(r.dial(), r.server)
				side.send(request)
				side.expectEnd()
				if waited := time.Since(began); waited < time.Second {
					t.Errorf("client was let go after %v, before the database had acted", waited)
				}
				if p := <-got; !bytes.Equal(p, request) {
					t.Errorf("database got %q, want %q", p, request)
				}

				c.send(terminate)
				c.Close()
				time.Sleep(time.Minute)
				late := r.dial()
				late.send(request)
				late.expectEnd()
				if len(got) != 0 {
					t.Errorf("a cancel request arrived after its session had ended: %q", <-got)
				}
				r.stop()
				if len(r.server.cancels.keys) != 0 {
					t.Errorf("keys left: %v", r.server.cancels.keys)
				}
				if !r.log.hasLine("level=DEBUG", "unknown key") || bytes.Contains(r.log.bytes(), test.secret) {
					t.Errorf("want a debug line about an unknown key, and no key, in\n%s", r.log.bytes())
				}
			})
		})
	}
}

func TestCancelWithTheWrongKeyIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := make(chan []byte, 9)
		r := cancelRig(t, 7, []byte("key7"), got, nil)
		c := r.dial()
		c.send(plainStartup)
		c.expect(join(authRequest(0), keyData(7, []byte("key7")), readyForQuery))
		for _, key := range []string{"key8", "key77", "keyXkeyY"} {
			side := r.dial()
			side.send(codePacket(80877102, append([]byte{0, 0, 0, 7}, key...)...))
			side.expectEnd()
		}
		side := r.dial()
		side.send(codePacket(80877102, 0, 0, 0, 8, 'k', 'e', 'y', '7'))
		side.expectEnd()
		c.Close()
		r.stop()
		if len(got) != 0 {
			t.Errorf("database got %q", <-got)
		}
	})
}

// A flood of keys that nobody was told reaches no database and leaves nothing.
// serving counts the goroutines that a Server runs, and says where one of them is.
// runtime.NumGoroutine counts those of the runtime and of the testing package too, and
// such as have ended already.
func serving() (n int, one string) {
	records := make([]runtime.StackRecord, 2*runtime.NumGoroutine()+1000)
	all, _ := runtime.GoroutineProfile(records)
	for _, r := range records[:all] {
		frames := runtime.CallersFrames(r.Stack())
		for more := true; more; {
			var f runtime.Frame
			if f, more = frames.Next(); strings.Contains(f.Function, "/proxy.(*Server)") || strings.Contains(f.Function, "/proxy.(*session)") {
				n, one = n+1, f.Function
				break
			}
		}
	}
	return n, one
}

func TestFloodOfUnknownCancelsDialsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, nil)
		synctest.Wait()
		atRest, _ := serving()
		const waves, each = 5, 900 // all of a wave wait at a time: see maxLobby
		for range waves {
			var flood []*client
			for range each {
				flood = append(flood, r.dial())
			}
			synctest.Wait()
			if n, _ := serving(); n-atRest < each || n-atRest > 3*each {
				t.Errorf("%d goroutines for %d clients", n-atRest, each)
			}
			for _, c := range flood {
				key := make([]byte, 8)
				rand.Read(key)
				c.send(codePacket(80877102, key...))
			}
			for _, c := range flood {
				c.expectEnd()
				c.Close()
			}
			synctest.Wait()
			if n, one := serving(); n > atRest {
				t.Errorf("%d goroutines left, one of them at %s", n-atRest, one)
			}
			if open := r.server.Snapshot().Open; open != 0 {
				t.Errorf("%d connections still open", open)
			}
		}
		got := r.server.Snapshot()
		if got.CancelsUnknown != waves*each || got.CancelsKnown != 0 {
			t.Errorf("%d requests: %+v", waves*each, got)
		}
		got.balanced(t)
		if len(r.db.addresses) != 0 {
			t.Errorf("dialled %q", r.db.addresses)
		}
		r.stop()
	})
}

func TestKeysOfSeveralDatabasesWithOnePid(t *testing.T) {
	c := newCancels()
	a, b := &Route{Name: "a"}, &Route{Name: "b"}
	secret := []byte("aaaa")
	removeA := c.add(7, secret, a, "a:5432")
	secret[0] = 'x' // the caller's buffer is its own
	removeB := c.add(7, []byte("bbbb"), b, "b:5432")
	if k := c.find(7, []byte("aaaa")); k == nil || k.route != a || k.address != "a:5432" {
		t.Errorf("aaaa led to %v, want a", k)
	}
	if k := c.find(7, []byte("bbbb")); k == nil || k.route != b {
		t.Errorf("bbbb led to %v, want b", k)
	}
	removeA()
	removeA()
	if k := c.find(7, []byte("aaaa")); k != nil {
		t.Errorf("aaaa leads to %v after its removal", k)
	}
	if k := c.find(7, []byte("bbbb")); k == nil {
		t.Error("bbbb went with aaaa")
	}
	removeB()
	if len(c.keys) != 0 {
		t.Errorf("left: %v", c.keys)
	}
}

func TestCancelThatCannotBeDeliveredClosesQuietly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *databaseConn) {
			c.logIn()
			c.untilTerminate()
		}, nil)
		c := r.dial()
		c.send(plainStartup)
		c.expect(join(authRequest(0), keyData(7, []byte("key7")), readyForQuery))
		r.server.routes[0].Dialer = dialFunc(func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		side := r.dial()
		side.send(codePacket(80877102, 0, 0, 0, 7, 'k', 'e', 'y', '7'))
		side.expectEnd()
		c.Close()
		r.stop()
		if !r.log.hasLine("level=WARN", "cancel request not delivered", "within 1m0s") {
			t.Errorf("no warning in\n%s", r.log.bytes())
		}
	})
}

func TestCancelsInParallelAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCancels()
		dialling := make(chan struct{}, 100)
		key := &cancelKey{route: &Route{
			TLS: func() *tls.Config { return &tls.Config{ServerName: host} },
			Dialer: dialFunc(func(ctx context.Context, _, _ string) (net.Conn, error) {
				dialling <- struct{}{}
				<-ctx.Done()
				return nil, ctx.Err()
			}),
		}}
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error, 100)
		for range 50 {
			go func() {
				failed <- c.forward(ctx, key, &pgproto3.CancelRequest{ProcessID: 7, SecretKey: []byte("key7")})
			}()
		}
		synctest.Wait()
		if n := len(dialling); n != maxCancels {
			t.Errorf("%d dials at once, want %d", n, maxCancels)
		}
		cancel()
		for range 50 {
			if err := <-failed; err == nil || !strings.Contains(err.Error(), "canceled") {
				t.Errorf("got %v, want context canceled", err)
			}
		}
	})
}
