package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// retirable is a conn as a tunnel's, that notes why it was retired.
type retirable struct {
	net.Conn
	notes *retirements
}

func (c retirable) Retire(reason string) {
	c.notes.mu.Lock()
	defer c.notes.mu.Unlock()
	c.notes.reasons = append(c.notes.reasons, reason)
}

// retirements is safe for concurrent use.
type retirements struct {
	mu      sync.Mutex
	reasons []string
}

func (r *retirements) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.reasons...)
}

// refusedConn takes everything and then gives err.
type refusedConn struct {
	net.Conn
	err error
}

func (c refusedConn) Write(p []byte) (int, error) { return len(p), nil }
func (c refusedConn) Read([]byte) (int, error)    { return 0, c.err }

// silentConn swallows what is written to it.
func silentConn(wg *sync.WaitGroup) net.Conn {
	near, far := net.Pipe()
	wg.Go(func() { io.Copy(io.Discard, far) })
	return near
}

func TestConnsWithoutAFirstByte(t *testing.T) {
	refused := func(wg *sync.WaitGroup) net.Conn {
		return refusedConn{silentConn(wg), &statedError{"dial refused", "08001", "", "check the security group"}}
	}
	ended := func(wg *sync.WaitGroup) net.Conn { return refusedConn{silentConn(wg), io.EOF} }
	lost := func(wg *sync.WaitGroup) net.Conn {
		return refusedConn{silentConn(wg), &statedError{text: "session ended", state: "08006"}}
	}
	answered := func(wg *sync.WaitGroup) net.Conn {
		refused := &statedError{text: "session ended", state: "08001"}
		return &unreadConn{Conn: refusedConn{silentConn(wg), refused}, unread: []byte{'S'}}
	}
	type way = func(*sync.WaitGroup) net.Conn
	tests := []struct {
		name    string
		ways    []way // of each dial; the fake database behind them
		plain   bool  // conns that cannot be retired
		direct  bool
		dials   int
		retired string // the reason for it
		state   string // what the client gets; empty for a login
		took    time.Duration
	}{
		{"silent", []way{silentConn}, false, false, 2, "no byte from the database within 10s", "", 10 * time.Second},
		{"silent, direct TLS", []way{silentConn}, false, true, 2, "no byte", "", 10 * time.Second},
		{"silent twice: it may be waking up", []way{silentConn, silentConn}, false, false, 2, "no byte", "57P03", time.Minute},
		{"silent, then refused", []way{silentConn, refused}, false, false, 2, "no byte", "08001", 10 * time.Second},
		{"silent TCP", []way{silentConn}, true, false, 1, "", "57P03", time.Minute},
		{"refused", []way{refused}, false, false, 2, "refused", "", 0},
		{"refused, direct TLS", []way{refused}, false, true, 2, "refused", "", 0},
		{"refused twice", []way{refused, refused}, false, false, 2, "refused", "08001", 0},
		{"refused TCP", []way{refused}, true, false, 1, "", "08001", 0},
		{"closed", []way{ended}, false, false, 1, "", "08001", 0},
		{"answered, then lost", []way{answered}, false, false, 1, "", "08001", 0},
		{"lost", []way{lost}, false, false, 1, "", "08006", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, func(c *databaseConn) {
					c.logIn()
					c.untilTerminate()
				}, func(cfg *Config) { cfg.Routes[0].DirectTLS = test.direct })
				r.db.direct, r.db.tls.NextProtos = test.direct, []string{"postgresql"}
				var notes retirements
				var ends sync.WaitGroup
				dials := 0
				r.server.routes[0].Dialer = dialFunc(func(ctx context.Context, network, address string) (c net.Conn, err error) {
					if dials++; dials <= len(test.ways) {
						c = test.ways[dials-1](&ends)
					} else if c, err = r.db.DialContext(ctx, network, address); err != nil {
						return nil, err
					}
					if !test.plain {
						c = retirable{c, &notes}
					}
					return c, nil
				})
				began := time.Now()
				c := r.dial()
				c.send(plainStartup)
				if test.state == "" {
					c.expect(join(authRequest(0), keyData(7, []byte("key7")), readyForQuery))
				} else if m, err := readMessage(c); err != nil || fieldsOf(t, m)['C'] != test.state {
					t.Errorf("got %q (%v), want %s", m, err, test.state)
				}
				if took := time.Since(began); took != test.took {
					t.Errorf("took %v, want %v", took, test.took)
				}
				c.Close()
				r.stop()
				ends.Wait() // every conn was closed
				if dials != test.dials {
					t.Errorf("%d dials, want %d", dials, test.dials)
				}
				got := notes.all()
				if test.retired == "" && len(got) > 0 || test.retired != "" && (len(got) != 1 || !strings.Contains(got[0], test.retired)) {
					t.Errorf("retired for %q, want %q once", got, test.retired)
				}
			})
		})
	}
}

// Once there is a byte, the login may take its time.
func TestFirstByteEndsTheWait(t *testing.T) {
	for _, direct := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, func(c *databaseConn) {
				time.Sleep(20 * time.Second)
				c.logIn()
				c.untilTerminate()
			}, func(cfg *Config) { cfg.Routes[0].DirectTLS = direct })
			r.db.direct, r.db.tls.NextProtos = direct, []string{"postgresql"}
			var notes retirements
			r.dialled(func(_ int, c net.Conn) net.Conn {
				return retirable{&slowConn{c, 9 * time.Second}, &notes}
			})
			r.established().Close()
			r.stop()
			if got := notes.all(); len(got) != 0 || len(r.db.addresses) != 1 {
				t.Errorf("retired for %q after %d dials, want one dial", got, len(r.db.addresses))
			}
		})
	}
}

// slowConn takes its time before each of its first three reads.
type slowConn struct {
	net.Conn
	pause time.Duration
}

func (c *slowConn) Read(p []byte) (int, error) {
	time.Sleep(c.pause)
	c.pause /= 2
	return c.Conn.Read(p)
}

func TestClientThatLeavesEndsTheWaitForAFirstByte(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var notes retirements
		var ends sync.WaitGroup
		dials := 0
		r := newRig(t, nil, func(cfg *Config) {
			cfg.Routes[0].Dialer = dialFunc(func(context.Context, string, string) (net.Conn, error) {
				dials++
				return retirable{silentConn(&ends), &notes}, nil
			})
		})
		c := r.dial()
		c.send(plainStartup)
		time.Sleep(time.Second)
		synctest.Wait()
		c.Close()
		began := time.Now()
		ends.Wait()
		if took := time.Since(began); took != 0 {
			t.Errorf("the conn was closed after %v, want at once", took)
		}
		time.Sleep(time.Minute)
		r.stop()
		if got := notes.all(); dials != 1 || len(got) != 0 {
			t.Errorf("%d dials, retired for %q; want one dial and nothing retired", dials, got)
		}
	})
}

func TestNegativeFirstByteTimeoutIsRefused(t *testing.T) {
	route := Route{Name: host, Listen: []net.Listener{newPipeListener()}, Address: host, Dialer: new(net.Dialer),
		Tokens: new(fakeTokens), TLS: newAuthority(t, "test CA").clientConfig}
	if _, err := New(Config{Routes: []Route{route}, FirstByteTimeout: -1}); err == nil {
		t.Error("New took a negative limit")
	}
	s, err := New(Config{Routes: []Route{route}, FirstByteTimeout: time.Second})
	if err != nil || s.firstByte != time.Second {
		t.Errorf("New: %v, want one second to be kept", errors.Join(err))
	}
}
