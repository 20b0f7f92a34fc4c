package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// Bounds of what cancel requests with a key that no client here was told may cost. Each
// that is forwarded is a connection to a database, or one to each peer.
const (
	strangersBurst = 20               // of one source at once
	strangersEvery = time.Second / 5  // and then one in so long
	maxSources     = 4096             // remembered; beyond that nobody's is forwarded for a while
	maxStrangers   = 8                // at one time, so that they take no room from requests with known keys
	peerTimeout    = 5 * time.Second  // to hand a request to one peer, or to one server
	tunnelTimeout  = 20 * time.Second // the same through a tunnel, which may have to be opened
	strangerWaits  = 10 * time.Second // for its turn: later, its session may run another query
	maxServers     = 16               // behind one name: a writer and the 15 readers that a cluster may have
)

// errTooManyStrangers is a request that is not forwarded because of the bounds.
var errTooManyStrangers = errors.New("too many cancel requests with unknown keys")

// errFromPeer is a request that a peer has forwarded, which has asked everybody.
var errFromPeer = errors.New("a peer has forwarded the request")

// strangers carries cancel requests whose key is another replica's: its clients may reach
// this one. It is safe for concurrent use.
type strangers struct {
	toDatabase bool
	peers      func(context.Context) ([]netip.AddrPort, error)
	dial       func(ctx context.Context, network, address string) (net.Conn, error)
	lookup     func(ctx context.Context, network, host string) ([]netip.Addr, error) // as Config.Lookup
	hello      func(from netip.Addr) []byte                                          // what a connection to a peer begins with; may be nil
	sources    sources
	slots      chan struct{} // one for each that is being forwarded
}

// wanted reports whether anything is to be done with them.
func (s *strangers) wanted() bool { return s.toDatabase || s.peers != nil }

// enter waits for one's turn. leave must be called.
func (s *strangers) enter(ctx context.Context) (leave func(), err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, strangerWaits, errTooManyStrangers)
	defer cancel()
	select {
	case s.slots <- struct{}{}:
		return func() { <-s.slots }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// others are the peers, if there are any. What one of them sends has been to all:
// errFromPeer. It takes no turn here, or replicas would wait for each other.
func (s *strangers) others(ctx context.Context, client net.Conn) ([]netip.AddrPort, error) {
	if s.peers == nil {
		return nil, nil
	}
	peers, err := s.peers(ctx)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(peers, func(p netip.AddrPort) bool { return p.Addr() == hostAddr(client.RemoteAddr()) }) {
		return nil, errFromPeer
	}
	return peers, nil
}

// share is how many of those asked took a request.
type share struct{ took, of int }

// taken counts those without an error.
func taken(errs []error) share {
	all := share{of: len(errs)}
	for _, err := range errs {
		if err == nil {
			all.took++
		}
	}
	return all
}

func (s share) all() bool { return s.of > 0 && s.took == s.of }

// outcome says, for the audit log, where a request went. None of those who took it says
// whether the key was its own.
func outcome(peers, servers share) string {
	switch {
	case peers.all(), peers.of == 0 && servers.all():
		return "forwarded"
	case peers.took+servers.took == 0:
		return "not forwarded"
	}
	var parts []string
	if peers.of > 0 {
		parts = append(parts, fmt.Sprintf("peers: %d of %d", peers.took, peers.of))
	}
	if servers.of > 0 {
		parts = append(parts, fmt.Sprintf("servers: %d of %d", servers.took, servers.of))
	}
	return "forwarded (" + strings.Join(parts, ", ") + ")"
}

// forward carries a request on: to the peers where there are some, else to the database
// of route, which may be nil where nobody knows which is meant. The database gets it too
// when a peer takes no connection: one that drains has sessions still. The error says who
// did not take it.
func (s *strangers) forward(ctx context.Context, c *cancels, peers []netip.AddrPort, route *served, client net.Conn, request *pgproto3.CancelRequest) (said string, err error) {
	var toPeers, toServers share
	if s.peers != nil {
		if toPeers, err = s.toPeers(ctx, peers, portOf(client.LocalAddr()), request); err == nil {
			return outcome(toPeers, toServers), nil
		}
	}
	if route == nil {
		return outcome(toPeers, toServers), errors.Join(err, errors.New("the client does not say which target it means"))
	}
	found, unknown := route.resolved(ctx)
	if unknown != nil {
		return outcome(toPeers, toServers), errors.Join(err, unknown)
	}
	toServers, failed := s.toServers(ctx, c, found, request)
	return outcome(toPeers, toServers), errors.Join(err, failed)
}

// toServers carries a request to each server behind the address of route, all at the same
// time: it may be any one's, and one that does not answer keeps it from none.
func (s *strangers) toServers(ctx context.Context, c *cancels, route *Route, request *pgproto3.CancelRequest) (share, error) {
	limit := peerTimeout
	if route.Tunnel {
		limit = tunnelTimeout
	}
	servers := s.servers(ctx, route)
	errs := make([]error, len(servers))
	var all sync.WaitGroup
	for i, address := range servers {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, limit)
			defer cancel()
			if err := c.deliver(ctx, &cancelKey{route: route, address: address}, request); err != nil {
				errs[i] = fmt.Errorf("%s: %w", address, err)
			}
		})
	}
	all.Wait()
	return taken(errs), errors.Join(errs...)
}

// servers are the addresses behind that of route. Through a tunnel there is one name,
// which the jump host looks up, and the session leads to one server.
func (s *strangers) servers(ctx context.Context, route *Route) []string {
	host, port, err := net.SplitHostPort(route.Address)
	if _, number := netip.ParseAddr(host); err != nil || number == nil || route.Tunnel || s.lookup == nil {
		return []string{route.Address}
	}
	ctx, cancel := context.WithTimeout(ctx, peerTimeout)
	defer cancel()
	found, err := s.lookup(ctx, "ip", host)
	if err != nil || len(found) < 2 {
		return []string{route.Address} // whose Dialer has more to say
	}
	var all []string
	for _, a := range found[:min(len(found), maxServers)] {
		all = append(all, net.JoinHostPort(a.Unmap().String(), port))
	}
	return all
}

// toPeers hands a request to each peer. One that knows the key forwards it.
func (s *strangers) toPeers(ctx context.Context, peers []netip.AddrPort, port uint16, request *pgproto3.CancelRequest) (share, error) {
	packet, err := request.Encode(nil)
	if err != nil {
		return share{of: len(peers)}, err
	}
	errs := make([]error, len(peers))
	var all sync.WaitGroup
	for i, peer := range peers {
		if peer.Port() == 0 {
			peer = netip.AddrPortFrom(peer.Addr(), port)
		}
		all.Go(func() { errs[i] = s.toPeer(ctx, peer, packet) })
	}
	all.Wait()
	return taken(errs), errors.Join(errs...)
}

func (s *strangers) toPeer(ctx context.Context, peer netip.AddrPort, packet []byte) error {
	ctx, cancel := context.WithTimeout(ctx, peerTimeout)
	defer cancel()
	conn, err := s.dial(ctx, "tcp", peer.String())
	if err != nil {
		return err
	}
	defer interrupt(ctx, conn)()
	defer conn.Close()
	if s.hello != nil {
		packet = slices.Concat(s.hello(hostAddr(conn.LocalAddr())), packet)
	}
	if _, err := conn.Write(packet); err != nil {
		return err
	}
	halfClose(conn)
	var end [1]byte
	conn.Read(end[:]) // it closes when it has acted
	return nil
}

// hostAddr is the address of a client without its port; the zero value for a Unix
// socket.
func hostAddr(a net.Addr) netip.Addr {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// portOf is the port of a TCP address, or 0.
func portOf(a net.Addr) uint16 {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.AddrPort().Port()
	}
	return 0
}

// sources bounds how often each sender is heard. The zero value is ready.
type sources struct {
	mu   sync.Mutex
	left map[netip.Addr]allowance
}

// allowance is what a source had left at some time.
type allowance struct {
	tokens float64
	at     time.Time
}

// allow reports whether one more of source may pass at now.
func (s *sources) allow(source netip.Addr, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, known := s.left[source]
	if !known {
		if len(s.left) >= maxSources {
			s.forget(now)
		}
		if len(s.left) >= maxSources {
			return false
		}
		a = allowance{tokens: strangersBurst, at: now}
	}
	a.tokens = min(strangersBurst, a.tokens+float64(now.Sub(a.at))/float64(strangersEvery))
	a.at = now
	passes := a.tokens >= 1
	if passes {
		a.tokens--
	}
	if s.left == nil {
		s.left = map[netip.Addr]allowance{}
	}
	s.left[source] = a
	return passes
}

// forget drops sources that have their whole burst again; mu is held.
func (s *sources) forget(now time.Time) {
	for source, a := range s.left {
		if now.Sub(a.at) >= strangersBurst*strangersEvery {
			delete(s.left, source)
		}
	}
}
