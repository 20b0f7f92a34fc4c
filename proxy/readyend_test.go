package proxy

import (
	"bytes"
	"context"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestReadyLoginsGoWithTheConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rr := newReadyRig(t, 4, nil)
		old := rr.login(plainStartup, 1)
		rr.wantReady(1)
		next := rr.server.routes[0].Route
		if err := rr.server.Replace([]Route{next}, nil, ""); err != nil {
			t.Fatal(err)
		}
		rr.wantReady(0)
		synctest.Wait()
		rr.leave(rr.login(plainStartup, 3))
		rr.wantReady(1)
		rr.ask(old, 1)
		rr.leave(old)
		rr.stopReady()
	})
}

func TestReadyLoginsGoWithTheIdentity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var who atomic.Pointer[string]
		be := func(name string) { who.Store(&name) }
		be("AKIA1")
		rr := newReadyRig(t, 1, func(cfg *Config) { cfg.Routes[0].Identity = func() string { return *who.Load() } })
		rr.leave(rr.login(plainStartup, 1))
		rr.wantReady(1)
		be("AKIA2")
		rr.leave(rr.login(plainStartup, 3))
		rr.wantReady(1)
		rr.leave(rr.login(plainStartup, 4))
		rr.wantReady(1)
		be("")
		rr.leave(rr.login(plainStartup, 6))
		rr.stopReady()
	})
}

func TestReadyLoginsGoWithTheWayToTheDatabase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var retired atomic.Bool
		rr := newReadyRig(t, 1, func(cfg *Config) {
			db := cfg.Routes[0].Dialer
			cfg.Routes[0].Dialer = dialFunc(func(ctx context.Context, network, address string) (net.Conn, error) {
				c, err := db.DialContext(ctx, network, address)
				return &wayBack{c, &retired}, err
			})
		})
		rr.leave(rr.login(plainStartup, 1))
		rr.wantReady(1)
		retired.Store(true)
		c := rr.login(plainStartup, 3) // and not the one that is still there
		retired.Store(false)
		time.Sleep(readyLook)
		rr.wantReady(1)
		retired.Store(true)
		time.Sleep(readyLook)
		rr.wantReady(0)
		rr.leave(c)
		rr.stopReady()
	})
}

// A tunnel cuts anywhere, and what reads takes 512 bytes at a time.
func TestLastWordsOfAReadyLoginInPieces(t *testing.T) {
	end := errorPacket("SFATAL", "VFATAL", "C57P01", "M"+strings.Repeat("terminating connection ", 40))
	for name, test := range map[string]struct {
		pieces [][]byte
		taken  bool // by a client that has asked nothing
	}{
		"a large one":                {[][]byte{end}, false},
		"in the head":                {[][]byte{end[:3], end[3:]}, false},
		"behind the head":            {[][]byte{end[:8], end[8:]}, false},
		"behind the code":            {[][]byte{end[:600], end[600:]}, false},
		"a large one, taken":         {[][]byte{end}, true},
		"in the head, taken":         {[][]byte{end[:3], end[3:]}, true},
		"behind the head, and taken": {[][]byte{end[:8], end[8:]}, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var ways sync.Map // *atomic.Bool of each dial, by its number
				var dials atomic.Int32
				rr := newReadyRig(t, 1, func(cfg *Config) {
					db := cfg.Routes[0].Dialer
					cfg.Routes[0].Dialer = dialFunc(func(ctx context.Context, network, address string) (net.Conn, error) {
						retired := new(atomic.Bool)
						ways.Store(dials.Add(1), retired)
						c, err := db.DialContext(ctx, network, address)
						return &wayBack{c, retired}, err
					})
				})
				rr.leave(rr.login(plainStartup, 1))
				rr.wantReady(1)
				var c *client
				if test.taken {
					c = rr.login(plainStartup, 2)
					rr.wantReady(1) // 3
				}
				for _, piece := range test.pieces {
					rr.conn(2).send(piece)
					synctest.Wait()
				}
				if way, _ := ways.Load(int32(2)); !way.(*atomic.Bool).Load() {
					t.Error("the way was not retired")
				}
				rr.conn(2).Close()
				if c != nil {
					synctest.Wait()
					rr.ask(c, 4)
					rr.leave(c)
				}
				rr.stopReady()
			})
		})
	}
}

// What is not whole when a client comes is no login for it.
func TestReadyLoginInItsLastWords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rr := newReadyRig(t, 1, nil)
		rr.leave(rr.login(plainStartup, 1))
		rr.wantReady(1)
		rr.conn(2).send(errorPacket("SFATAL", "VFATAL", "C57P01", "Mterminating connection")[:20])
		synctest.Wait()
		rr.leave(rr.login(plainStartup, 3))
		rr.stopReady()
	})
}

// wayBack is a conn whose way to the database may be retired.
type wayBack struct {
	net.Conn
	retired *atomic.Bool
}

func (r *wayBack) Retire(string) { r.retired.Store(true) }
func (r *wayBack) Retired() bool { return r.retired.Load() }

func TestReadyLoginWhoseWayIsBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var busy atomic.Bool
		rr := newReadyRig(t, 1, func(cfg *Config) {
			db := cfg.Routes[0].Dialer
			cfg.Routes[0].Dialer = dialFunc(func(ctx context.Context, network, address string) (net.Conn, error) {
				c, err := db.DialContext(ctx, network, address)
				return &crowdedWay{c, &busy}, err
			})
		})
		rr.leave(rr.login(plainStartup, 1))
		rr.wantReady(1)
		busy.Store(true)
		time.Sleep(readyLook)
		rr.wantReady(1)
		rr.leave(rr.login(plainStartup, 3)) // on a way of its own
		busy.Store(false)
		rr.wantReady(1)
		rr.leave(rr.login(plainStartup, 4))
		rr.stopReady()
	})
}

// crowdedWay is a conn whose way to the database may carry much else.
type crowdedWay struct {
	net.Conn
	busy *atomic.Bool
}

func (c *crowdedWay) Busy() bool { return c.busy.Load() }

func TestFailoverInASessionDropsReadyLogins(t *testing.T) {
	for _, state := range []string{stateShuttingDown, stateReadOnly} {
		synctest.Test(t, func(t *testing.T) {
			rr := newReadyRig(t, 4, nil)
			c := rr.login(plainStartup, 1)
			rr.wantReady(1)
			said := errorPacket("SERROR", "VERROR", "C"+state, "Mno")
			rr.conn(1).send(said)
			c.expect(said)
			rr.wantReady(0)
			rr.leave(c)
			rr.stopReady()
		})
	}
}

// lateConn has something to read, and a reader that is late for its deadlines.
type lateConn struct {
	net.Conn
	late  int
	words []byte
}

func (c *lateConn) Pending() bool                   { return len(c.words) > 0 }
func (c *lateConn) SetReadDeadline(time.Time) error { return nil }

func (c *lateConn) Read(p []byte) (int, error) {
	if c.late--; c.late >= 0 {
		return 0, os.ErrDeadlineExceeded
	}
	n := copy(p, c.words)
	c.words = c.words[n:]
	return n, nil
}

// A busy machine may let the time for the last look pass before it looks.
func TestLastLookSeesWhatHasArrived(t *testing.T) {
	end := errorPacket("SFATAL", "VFATAL", "C57P01", "Mterminating connection")
	r := watchRest(&lateConn{late: 4, words: end}, nil, false, nil)
	if said, rests := r.stop(); rests || !bytes.Equal(said, end) {
		t.Errorf("a session that has ended rests: %v, %q", rests, said)
	}
}
