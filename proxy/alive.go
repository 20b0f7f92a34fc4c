package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"

	"github.com/pgkeyless/pgkeyless/internal/peercred"
)

// ErrNotServing is what Alive returns for a Server that has decided to accept no
// clients.
var ErrNotServing = errors.New("the proxy does not accept clients")

// probes are connections that Alive makes to the Server's own listeners. Nothing
// counts or logs them.
type probes struct {
	turn    sync.Mutex               // one Alive at a time: Unix sockets tell no two probes apart
	pending atomic.Int32             // says that mu is worth taking
	mu      sync.Mutex               // held while one dials
	open    map[string]chan struct{} // by the address that the listener sees; closed on accept
}

// take reports whether c is a probe, and then closes it.
func (p *probes) take(c net.Conn) bool {
	if p.pending.Load() == 0 {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	key := c.RemoteAddr().String()
	if c.RemoteAddr().Network() == "unix" {
		if p, ok := peercred.Of(c); !ok || p.PID != os.Getpid() {
			return false
		}
		key = c.LocalAddr().String()
	}
	accepted, ok := p.open[key]
	if !ok {
		return false
	}
	delete(p.open, key)
	close(accepted)
	c.Close()
	return true
}

// dial connects to a listener's address. accepted is closed when the listener has
// taken the connection.
func (p *probes) dial(ctx context.Context, at net.Addr) (c net.Conn, accepted chan struct{}, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c, err = new(net.Dialer).DialContext(ctx, at.Network(), reachable(at)); err != nil {
		return nil, nil, err
	}
	key := c.LocalAddr().String()
	if at.Network() == "unix" {
		key = at.String()
	}
	if p.open == nil {
		p.open = map[string]chan struct{}{}
	}
	accepted = make(chan struct{})
	p.open[key] = accepted
	return c, accepted, nil
}

// forget drops a probe that nobody has taken.
func (p *probes) forget(accepted chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, a := range p.open {
		if a == accepted {
			delete(p.open, key)
		}
	}
}

// reachable is how this machine reaches a listener.
func reachable(a net.Addr) string {
	at, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return a.String()
	}
	switch ip := at.Addr(); {
	case ip.IsUnspecified() && ip.Is4():
		at = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), at.Port())
	case ip.IsUnspecified():
		at = netip.AddrPortFrom(netip.IPv6Loopback(), at.Port())
	}
	return at.String()
}

// Alive returns nil when the Server works: each listener takes a connection, which is
// made for that and not counted, and the event loops come round. Otherwise the error
// says what does not move; ctx bounds the wait. A database, AWS, or the number of
// clients has no part in it. It is safe for concurrent use.
func (s *Server) Alive(ctx context.Context) error {
	s.mu.Lock()
	serving := s.serving && !s.stopping && !s.closed
	var listeners []net.Addr
	for l := range s.open {
		if at := l.Addr(); at.Network() != "unix" || peercred.Known {
			listeners = append(listeners, at)
		}
	}
	s.mu.Unlock()
	if !serving {
		return ErrNotServing
	}
	s.probes.turn.Lock()
	defer s.probes.turn.Unlock()
	s.probes.pending.Add(1)
	defer s.probes.pending.Add(-1)
	for _, at := range listeners {
		if err := s.probes.probe(ctx, at); err != nil {
			return fmt.Errorf("the listener on %s does not take connections: %w", at, err)
		}
	}
	if err := s.loops.Alive(ctx); err != nil {
		return fmt.Errorf("an event loop is stuck: %w", err)
	}
	return nil
}

// probe waits until the listener at that address has taken a connection.
func (p *probes) probe(ctx context.Context, at net.Addr) error {
	c, accepted, err := p.dial(ctx, at)
	if err != nil {
		return err
	}
	defer c.Close()
	select {
	case <-accepted:
		return nil
	case <-ctx.Done():
		p.forget(accepted)
		return context.Cause(ctx)
	}
}
