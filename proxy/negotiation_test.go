package proxy

import (
	"context"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// begun is how a fake server's connections began, and what it does about that.
type begun struct {
	wg sync.WaitGroup

	mu              sync.Mutex
	direct, request func(rig *rig, c net.Conn) // nil: closes
	all             []string
}

func (b *begun) note(how string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all = append(b.all, how)
}

func (b *begun) ways() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Join(b.all, " ")
}

// dialer is that of a Route to the server. own is set before the first dial.
func (b *begun) dialer(own **rig) Dialer {
	return dialFunc(func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		b.wg.Go(func() {
			c := newEager(far)
			defer c.Close()
			first := make([]byte, 1)
			if _, err := io.ReadFull(c, first); err != nil {
				return
			}
			b.mu.Lock()
			how, answer := "request", b.request
			if first[0] == 0x16 {
				how, answer = "direct", b.direct
			}
			b.mu.Unlock()
			b.note(how)
			if answer != nil {
				answer(*own, &pushedBack{c, first})
			}
		})
		return near, nil
	})
}

// pushedBack gives first once more.
type pushedBack struct {
	net.Conn
	first []byte
}

func (p *pushedBack) Read(b []byte) (int, error) {
	if len(p.first) > 0 {
		n := copy(b, p.first)
		p.first = p.first[n:]
		return n, nil
	}
	return p.Conn.Read(b)
}

// direct shakes hands, agrees on the protocol and lets in.
func direct(r *rig, c net.Conn) {
	d := &database{t: r.t, tls: r.db.tls.Clone(), direct: true, session: letIn}
	d.tls.NextProtos = []string{"postgresql"}
	d.serve(c)
}

// noALPN shakes hands without agreeing on a protocol.
func noALPN(r *rig, c net.Conn) {
	d := &database{t: r.t, tls: r.db.tls.Clone(), direct: true, session: func(c *databaseConn) { io.Copy(io.Discard, c) }}
	d.serve(c)
}

func letIn(c *databaseConn) {
	c.logIn()
	c.untilTerminate()
}

// byRequest answers an SSLRequest with S, and lets in.
func byRequest(r *rig, c net.Conn) {
	if _, err := readStartupPacket(c); err == nil {
		c.Write([]byte{'S'})
		(&database{t: r.t, tls: r.db.tls.Clone(), direct: true, session: letIn}).serve(c)
	}
}

// How TLS begins is found out, for each server that there may be, and remembered for the
// next login.
func TestNegotiationFindsTheWay(t *testing.T) {
	answering := func(words string) func(*rig, net.Conn) {
		return func(_ *rig, c net.Conn) {
			io.ReadFull(c, make([]byte, 4))
			c.Write([]byte(words))
		}
	}
	tests := []struct {
		name            string
		direct, request func(*rig, net.Conn)
		ways            string // of two logins
		most            time.Duration
	}{
		{"either", direct, byRequest, "direct direct", 0},
		{"direct only", direct, nil, "direct direct", 0},
		{"SSLRequest only", nil, byRequest, "direct request request", 0},
		{"no ALPN", noALPN, byRequest, "direct request request", 0},
		{"an error in clear text", answering(string(errorPacket("SFATAL", "C08P01", "Minvalid length of startup packet"))), byRequest, "direct request request", 0},
		{"an alert", answering("\x15\x03\x03\x00\x02\x02\x28"), byRequest, "direct request request", 0},
		{"no answer", func(_ *rig, c net.Conn) { io.Copy(io.Discard, c) }, byRequest, "direct request request", helloPatience},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &begun{direct: test.direct, request: test.request}
				var own *rig
				r := newRig(t, nil, func(cfg *Config) {
					cfg.Routes[0].Negotiation, cfg.Routes[0].Dialer = new(Negotiation), b.dialer(&own)
				})
				own = r
				began := time.Now()
				for range 2 {
					c := r.established()
					c.send(terminate)
					c.Close()
				}
				if took := time.Since(began); took > test.most+2*farewell {
					t.Errorf("two logins took %v", took)
				}
				r.stop()
				b.wg.Wait()
				if got := b.ways(); got != test.ways {
					t.Errorf("connections began by %q, want %q", got, test.ways)
				}
			})
		})
	}
}

// A server that was remembered to want an SSLRequest, and does not any more, is met at once
// with the handshake.
func TestNegotiationForgets(t *testing.T) {
	for name, no := range map[string]func(*rig, net.Conn){
		"N":        func(_ *rig, c net.Conn) { readStartupPacket(c); c.Write([]byte{'N'}) },
		"closes":   func(_ *rig, c net.Conn) { readStartupPacket(c) },
		"an alert": func(_ *rig, c net.Conn) { readStartupPacket(c); c.Write([]byte("\x15\x03\x03\x00\x02\x02\x28")) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := new(Negotiation)
				n.learn(true, time.Now())
				b := &begun{direct: direct, request: no}
				var own *rig
				r := newRig(t, nil, func(cfg *Config) { cfg.Routes[0].Negotiation, cfg.Routes[0].Dialer = n, b.dialer(&own) })
				own = r
				for range 2 {
					c := r.established()
					c.send(terminate)
					c.Close()
				}
				r.stop()
				b.wg.Wait()
				if got := b.ways(); got != "request direct direct" {
					t.Errorf("connections began by %q", got)
				}
			})
		})
	}
}

// TLS begins with the handshake again when a server has wanted an SSLRequest for some
// minutes: it may have been misunderstood. Until it has a handshake, one login in that time
// pays for it.
func TestNegotiationTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &begun{request: byRequest}
		var own *rig
		r := newRig(t, nil, func(cfg *Config) { cfg.Routes[0].Negotiation, cfg.Routes[0].Dialer = new(Negotiation), b.dialer(&own) })
		own = r
		visit := func() {
			c := r.established()
			c.send(terminate)
			c.Close()
		}
		visit()
		time.Sleep(negotiationMemory) // the bubble's clock
		visit()
		visit()
		time.Sleep(negotiationMemory)
		b.mu.Lock()
		b.direct = direct
		b.mu.Unlock()
		visit()
		visit()
		time.Sleep(2 * negotiationMemory)
		visit()
		r.stop()
		b.wg.Wait()
		if got, want := b.ways(), "direct request direct request request direct direct direct"; got != want {
			t.Errorf("connections began by %q, want %q", got, want)
		}
	})
}

// reset is a conn whose peer has reset it, as the reader finds.
type reset struct{ net.Conn }

func (r reset) Read(b []byte) (int, error) {
	n, err := r.Conn.Read(b)
	if err != nil {
		err = &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
	}
	return n, err
}

// A handshake that breaks off once ends no more than that login where the handshake is
// known to work: there is no second connection, and the next login begins the same way. A
// server that is not known yet may have meant it; and one that has said no has.
func TestNegotiationOutlivesFaults(t *testing.T) {
	const hang = 2 * helloPatience
	silent := func(_ *rig, c net.Conn) { io.Copy(io.Discard, c) }
	slow := func(r *rig, c net.Conn) {
		time.Sleep(hang) // the bubble's clock
		direct(r, c)
	}
	for _, test := range []struct {
		name   string
		known  bool
		fault  func(*rig, net.Conn) // nil: closes
		resets bool
		fails  bool   // that login
		ways   string // of it and of the next
	}{
		{"reset", true, nil, true, true, "direct direct"},
		{"silence", true, silent, false, true, "direct direct"},
		{"a slow answer", true, slow, false, false, "direct direct"},
		{"closed", true, nil, false, false, "direct request request"},
		{"reset by an unknown server", false, nil, true, false, "direct request request"},
		{"silence of an unknown server", false, silent, false, false, "direct request request"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := new(Negotiation)
				if test.known {
					n.learn(false, time.Now())
				}
				b := &begun{direct: test.fault, request: byRequest}
				var own *rig
				dial := b.dialer(&own)
				resets := test.resets
				r := newRig(t, nil, func(cfg *Config) {
					cfg.LoginTimeout = 2 * hang
					cfg.Routes[0].Negotiation = n
					cfg.Routes[0].Dialer = dialFunc(func(ctx context.Context, network, address string) (net.Conn, error) {
						c, err := dial.DialContext(ctx, network, address)
						if resets {
							c, resets = reset{c}, false
						}
						return c, err
					})
				})
				own = r
				if test.fails {
					c := r.dial()
					c.send(plainStartup)
					if got := c.failed(); got['S'] != "FATAL" {
						t.Errorf("got %q", got)
					}
				} else {
					c := r.established()
					c.send(terminate)
					c.Close()
				}
				b.mu.Lock()
				b.direct = direct
				b.mu.Unlock()
				c := r.established()
				c.send(terminate)
				c.Close()
				r.stop()
				b.wg.Wait()
				if got := b.ways(); got != test.ways {
					t.Errorf("connections began by %q, want %q", got, test.ways)
				}
			})
		})
	}
}

// What is no matter of how TLS begins is no reason for another dial: a certificate for
// another name, say. Where no way leads anywhere, the client reads what came of the
// SSLRequest.
func TestNegotiationEnds(t *testing.T) {
	wrongName := func(r *rig, c net.Conn) {
		d := &database{t: r.t, tls: newAuthority(r.t, "test CA").serverConfig(r.t, "other.example.com", time.Hour), direct: true, session: func(*databaseConn) { r.t.Error("shook hands") }}
		d.tls.NextProtos = []string{"postgresql"}
		d.serve(c)
	}
	for _, test := range []struct {
		name            string
		direct, request func(*rig, net.Conn)
		ways, text      string
	}{
		{"certificate", wrongName, byRequest, "direct", "certificate of"},
		{"neither", nil, nil, "direct request", "asking for TLS"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &begun{direct: test.direct, request: test.request}
				var own *rig
				r := newRig(t, nil, func(cfg *Config) {
					cfg.Routes[0].Negotiation, cfg.Routes[0].Dialer = new(Negotiation), b.dialer(&own)
				})
				own = r
				c := r.dial()
				c.send(plainStartup)
				if got := c.failed(); got['C'] != "08001" || !strings.Contains(got['M'], test.text) {
					t.Errorf("got %q, want %q", got, test.text)
				}
				r.stop()
				b.wg.Wait()
				if got := b.ways(); got != test.ways {
					t.Errorf("connections began by %q, want %q", got, test.ways)
				}
				if len(r.tokens.users) != 0 {
					t.Error("a token was made")
				}
			})
		})
	}
}

// Many logins at once do no harm.
func TestNegotiationSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &begun{request: byRequest}
		var own *rig
		r := newRig(t, nil, func(cfg *Config) {
			cfg.Routes[0].Negotiation, cfg.Routes[0].Dialer = new(Negotiation), b.dialer(&own)
		})
		own = r
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				c := r.established()
				c.send(terminate)
				c.Close()
			})
		}
		all.Wait()
		r.stop()
		b.wg.Wait()
		if ways := strings.Fields(b.ways()); !slices.Contains(ways, "request") || len(ways) > 16 {
			t.Errorf("connections began by %q", ways)
		}
	})
}
