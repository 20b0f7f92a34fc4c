package proxy

import (
	"context"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// begun is how a fake server's connections began, and what it does about that.
type begun struct {
	direct, request func(rig *rig, c net.Conn) // nil: closes

	mu  sync.Mutex
	all []string
	wg  sync.WaitGroup
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
			how, answer := "request", b.request
			if first[0] == 0x16 {
				how, answer = "direct", b.direct
			}
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
				n.requests.Store(true)
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
