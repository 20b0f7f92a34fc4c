package proxy

import (
	"context"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// strangerCancel is a CancelRequest with a key that nobody was told.
var strangerCancel = codePacket(80877102, 0, 0, 0, 9, 'a', 'l', 'i', 'e')

func TestStrangersReachTheDatabase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := make(chan []byte, 100)
		r := newRig(t, func(c *databaseConn) {
			p, err := readStartupPacket(c)
			if err != nil {
				t.Error(err)
			}
			got <- p
		}, func(cfg *Config) { cfg.ForwardCancels = true })
		c := r.dial()
		c.send(strangerCancel)
		c.expectEnd()
		c.Close()
		if p := <-got; !slices.Equal(p, strangerCancel) {
			t.Errorf("the database got %q, want %q", p, strangerCancel)
		}
		// A flood costs what the bound says, and no more.
		flood := func(n int) {
			var all []*client
			for range n {
				all = append(all, r.dial())
			}
			for _, c := range all {
				c.send(strangerCancel)
			}
			for _, c := range all {
				c.expectEnd()
				c.Close()
			}
		}
		time.Sleep(time.Minute)
		flood(500)
		if n := len(got); n < maxStrangers || n > strangersBurst {
			t.Errorf("%d of a flood were forwarded, want %d at least and %d at most", n, maxStrangers, strangersBurst)
		}
		if n := r.server.Snapshot().CancelsUnknown; n != 501 {
			t.Errorf("%d were counted, want 501", n)
		}
		r.stop()
	})
}

// fakePeers are replicas that note what they get.
type fakePeers struct {
	mu   sync.Mutex
	got  map[string][]string
	down string
}

func (f *fakePeers) dial(_ context.Context, _, address string) (net.Conn, error) {
	if address == f.down {
		return nil, net.ErrClosed
	}
	near, far := net.Pipe()
	go func() {
		defer far.Close()
		p, err := readStartupPacket(far)
		if err != nil {
			return
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		f.got[address] = append(f.got[address], string(p))
	}()
	return near, nil
}

func TestStrangersReachEachPeer(t *testing.T) {
	peers := []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:5432"), netip.MustParseAddrPort("192.0.2.2:0")}
	for _, down := range []string{"", peers[0].String()} { // one that drains takes no connections
		synctest.Test(t, func(t *testing.T) {
			f := &fakePeers{got: map[string][]string{}, down: down}
			got := make(chan string, 9)
			r := newRig(t, func(c *databaseConn) {
				p, _ := readStartupPacket(c)
				got <- string(p)
			}, func(cfg *Config) {
				cfg.Peers = func(context.Context) ([]netip.AddrPort, error) { return peers, nil }
			})
			r.server.strangers.dial = f.dial
			c := r.dial()
			c.send(strangerCancel)
			c.expectEnd()
			synctest.Wait()
			for _, peer := range peers {
				if got := f.got[peer.String()]; peer.String() != down && (len(got) != 1 || got[0] != string(strangerCancel)) {
					t.Errorf("%v got %q", peer, got)
				}
			}
			switch {
			case down == "" && len(got) != 0:
				t.Errorf("all peers are there, and the database got %q", <-got)
			case down != "" && (len(got) != 1 || <-got != string(strangerCancel)):
				t.Error("a peer is down, and the database did not get the request")
			}
			if got := r.server.Snapshot(); got.CancelsUnknown != 1 {
				t.Errorf("counted %+v", got)
			}
			r.stop()
		})
	}
}

// What a peer has forwarded goes no further, or it would go round for ever.
func TestPeersDoNotForwardToEachOther(t *testing.T) {
	peer := netip.MustParseAddrPort("192.0.2.1:5432")
	s := strangers{peers: func(context.Context) ([]netip.AddrPort, error) { return []netip.AddrPort{peer}, nil }}
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	_, err := s.others(t.Context(), fromConn{near, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 40000}})
	if err != errFromPeer {
		t.Errorf("got %v", err)
	}
}

// fromConn has another remote address.
type fromConn struct {
	net.Conn
	from net.Addr
}

func (f fromConn) RemoteAddr() net.Addr { return f.from }

func TestSourcesAreBounded(t *testing.T) {
	var s sources
	now := time.Unix(1000, 0)
	address := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}) }
	for i := range maxSources {
		if !s.allow(address(i), now) {
			t.Fatalf("source %d does not pass", i)
		}
	}
	if s.allow(address(maxSources), now) {
		t.Error("one more passes")
	}
	if !s.allow(address(0), now) {
		t.Error("one that is known does not pass")
	}
	later := now.Add(strangersBurst * strangersEvery)
	if !s.allow(address(maxSources), later) || len(s.left) > 2 {
		t.Errorf("%d sources are remembered later", len(s.left))
	}
}

// A peer that takes this replica for a balancer wants a header, or it would wait for one.
func TestStrangersReachPeersThatWantAHeader(t *testing.T) {
	for _, from := range []string{"192.0.2.5:40000", "198.51.100.7:40000"} {
		near, far := net.Pipe()
		s := strangers{hello: balancers{netip.MustParsePrefix("192.0.2.0/24")}.hello,
			dial: func(context.Context, string, string) (net.Conn, error) {
				return localConn{near, net.TCPAddrFromAddrPort(netip.MustParseAddrPort(from))}, nil
			}}
		got := make(chan string, 1)
		go func() {
			p, _ := io.ReadAll(io.LimitReader(far, 45)) // more than both are long
			got <- string(p)
		}()
		want := strangerCancel
		if from == "192.0.2.5:40000" {
			want = slices.Concat(localHeader, strangerCancel)
		}
		done := make(chan error, 1)
		go func() { done <- s.toPeer(t.Context(), netip.MustParseAddrPort("192.0.2.6:5432"), strangerCancel) }()
		near.SetReadDeadline(time.Now()) // it waits for no answer
		if err := <-done; err != nil {
			t.Errorf("from %s: %v", from, err)
		}
		if p := <-got; p != string(want) {
			t.Errorf("from %s: the peer got %q, want %q", from, p, want)
		}
	}
}

// localConn has another local address.
type localConn struct {
	net.Conn
	at net.Addr
}

func (l localConn) LocalAddr() net.Addr { return l.at }

// A name with several servers has each asked, within a bound; one that is down keeps the
// request from none, and the audit log does not hide it. Through a tunnel there is one.
func TestStrangersReachEachServerOfAName(t *testing.T) {
	for _, test := range []struct {
		name   string
		tunnel bool
		found  int
		want   []string
		reason string
	}{
		{"several", false, 3, []string{"10.0.0.1:5432", "10.0.0.2:5432", "10.0.0.3:5432"}, "forwarded (servers: 2 of 3)"},
		{"one", false, 1, []string{host + ":5432"}, "forwarded"},
		{"none", false, 0, []string{host + ":5432"}, "forwarded"},
		{"a tunnel", true, 3, []string{host + ":5432"}, "forwarded"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got := make(chan string, 100)
				var dialled, became notes
				r := newRig(t, func(c *databaseConn) {
					p, _ := readStartupPacket(c)
					got <- string(p)
				}, func(cfg *Config) {
					cfg.ForwardCancels = true
					cfg.Audit = became.cancels
					cfg.Routes[0].Tunnel = test.tunnel
					cfg.Lookup = func(_ context.Context, _, name string) (found []netip.Addr, err error) {
						if name != host {
							t.Errorf("looked up %q", name)
						}
						for i := range test.found {
							found = append(found, netip.AddrFrom4([4]byte{10, 0, 0, byte(1 + i)}))
						}
						return found, nil
					}
					dialer := cfg.Routes[0].Dialer
					cfg.Routes[0].Dialer = dialFunc(func(ctx context.Context, network, address string) (net.Conn, error) {
						dialled.add(address)
						if address == "10.0.0.1:5432" {
							return nil, net.ErrClosed // it is down
						}
						return dialer.DialContext(ctx, network, address)
					})
				})
				c := r.dial()
				c.send(strangerCancel)
				c.expectEnd()
				r.stop()
				slices.Sort(dialled.all) // they are dialled at the same time
				if !slices.Equal(dialled.all, test.want) {
					t.Errorf("dialled %q, want %q", dialled.all, test.want)
				}
				if want := max(1, len(test.want)-1); len(got) != want || <-got != string(strangerCancel) {
					t.Errorf("%d servers got the request, want %d", len(got), want)
				}
				if !slices.Equal(became.all, []string{test.reason}) {
					t.Errorf("the audit log says %q, want %q", became.all, test.reason)
				}
				if logged := r.log.hasLine("not taken by all", "10.0.0.1"); logged != (test.found == 3 && !test.tunnel) {
					t.Errorf("the log has\n%s", r.log.bytes())
				}
			})
		})
	}
	s := strangers{lookup: func(context.Context, string, string) ([]netip.Addr, error) { return make([]netip.Addr, 100), nil }}
	if n := len(s.servers(t.Context(), &Route{Address: host + ":5432"})); n != maxServers {
		t.Errorf("%d servers are asked, want %d", n, maxServers)
	}
	for _, address := range []string{"10.0.0.1:5432", "[::1]:5432"} {
		if got := s.servers(t.Context(), &Route{Address: address}); !slices.Equal(got, []string{address}) {
			t.Errorf("servers of %s: %q", address, got)
		}
	}
}

// cancels is a Config.Audit that notes what became of cancel requests.
func (n *notes) cancels(e AuditEvent) error {
	if e.Kind == AuditCancel {
		n.add(e.Reason)
	}
	return nil
}

// A server that drops packets, as one that has failed does, keeps a request from no other
// one, and the client waits for it no longer than for a peer.
func TestSilentServerHoldsUpNoStranger(t *testing.T) {
	for _, test := range []struct {
		name   string
		tunnel bool
		found  int
		limit  time.Duration
		reason string
	}{
		{"one of two", false, 2, peerTimeout, "forwarded (servers: 1 of 2)"},
		{"the only one", false, 1, peerTimeout, "not forwarded"},
		{"at the end of a tunnel", true, 1, tunnelTimeout, "not forwarded"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var became notes
				began := time.Now()
				got := make(chan time.Duration, 9)
				r := newRig(t, func(c *databaseConn) {
					readStartupPacket(c)
					got <- time.Since(began)
				}, func(cfg *Config) {
					cfg.ForwardCancels = true
					cfg.Audit = became.cancels
					cfg.Lookup = func(context.Context, string, string) ([]netip.Addr, error) {
						return []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")}[:test.found], nil
					}
					dialer := cfg.Routes[0].Dialer
					cfg.Routes[0].Tunnel = test.tunnel
					cfg.Routes[0].Dialer = dialFunc(func(ctx context.Context, network, address string) (net.Conn, error) {
						if address == "10.0.0.2:5432" {
							return dialer.DialContext(ctx, network, address)
						}
						<-ctx.Done()
						return nil, ctx.Err()
					})
				})
				c := r.dial()
				c.send(strangerCancel)
				c.expectEnd()
				if waited := time.Since(began); waited != test.limit+farewell {
					t.Errorf("the client waited for %v, want %v", waited, test.limit+farewell)
				}
				r.stop()
				if test.found == 2 && (len(got) != 1 || <-got != 0) {
					t.Error("the server that is there did not get the request at once")
				}
				if !slices.Equal(became.all, []string{test.reason}) {
					t.Errorf("the audit log says %q, want %q", became.all, test.reason)
				}
			})
		})
	}
}

func TestOutcomeOfAStranger(t *testing.T) {
	for _, test := range []struct {
		peers, servers share
		want           string
	}{
		{share{}, share{}, "not forwarded"},
		{share{3, 3}, share{}, "forwarded"},
		{share{}, share{2, 2}, "forwarded"},
		{share{0, 3}, share{0, 1}, "not forwarded"},
		{share{2, 3}, share{}, "forwarded (peers: 2 of 3)"},
		{share{2, 3}, share{1, 1}, "forwarded (peers: 2 of 3, servers: 1 of 1)"},
		{share{0, 3}, share{1, 1}, "forwarded (peers: 0 of 3, servers: 1 of 1)"},
		{share{}, share{1, 16}, "forwarded (servers: 1 of 16)"},
	} {
		if got := outcome(test.peers, test.servers); got != test.want {
			t.Errorf("%+v, %+v: %q, want %q", test.peers, test.servers, got, test.want)
		}
	}
}

// Requests of many clients at once wait for their turn, and not for ever. Those that
// wait are in the lobby.
func TestStrangersWaitForTheirTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		peer := netip.MustParseAddrPort("192.0.2.1:5432")
		stuck, dialled := make(chan struct{}), make(chan struct{}, 1000)
		r := newRig(t, nil, func(cfg *Config) {
			cfg.Peers = func(context.Context) ([]netip.AddrPort, error) { return []netip.AddrPort{peer}, nil }
		})
		r.server.strangers.dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
			dialled <- struct{}{}
			select {
			case <-stuck:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
			near, far := net.Pipe()
			go func() {
				readStartupPacket(far)
				far.Close()
			}()
			return near, nil
		}
		const many = 5 * maxStrangers
		var all []*client
		for i := range many {
			c := r.dialFrom(netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}), 4711).String())
			c.send(strangerCancel)
			all = append(all, c)
		}
		synctest.Wait()
		if n := len(dialled); n != maxStrangers {
			t.Errorf("%d are forwarded at once, want %d", n, maxStrangers)
		}
		r.server.lobby.mu.Lock()
		if n := r.server.lobby.waiting.Len(); n != many-maxStrangers {
			t.Errorf("%d wait in the lobby, want %d", n, many-maxStrangers)
		}
		r.server.lobby.mu.Unlock()
		close(stuck)
		for _, c := range all {
			c.expectEnd()
			c.Close()
		}
		if n := len(dialled); n != many {
			t.Errorf("%d were forwarded, want %d", n, many)
		}
		r.stop()
	})
	synctest.Test(t, func(t *testing.T) {
		s := strangers{slots: make(chan struct{}, 1)}
		leave, err := s.enter(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, err := s.enter(t.Context()); err != errTooManyStrangers || time.Since(began) != strangerWaits {
			t.Errorf("%v after %v, want %v after %v", err, time.Since(began), errTooManyStrangers, strangerWaits)
		}
		leave()
		if _, err := s.enter(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
