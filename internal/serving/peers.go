package serving

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/config"
)

const (
	// peersFor is how long an answer of DNS about the peers counts: replicas come and go.
	peersFor = 5 * time.Second
	// noPeersFor is how long a failure does.
	noPeersFor = time.Second
	// maxPeers bounds how many are asked.
	maxPeers = 64
)

// peers looks replicas up by name. It is safe for concurrent use.
type peers struct {
	host   string
	port   uint16 // 0: the one that the client came to
	lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)

	turn   chan struct{} // of one, so that a wait for DNS ends with who waits
	known  []netip.AddrPort
	failed error
	until  time.Time
}

// peersOf is for proxy.Config.Peers; nil where there are none.
func peersOf(run config.Run) func(context.Context) ([]netip.AddrPort, error) {
	if run.Peers == "" {
		return nil
	}
	p := &peers{host: run.Peers, turn: make(chan struct{}, 1), lookup: net.DefaultResolver.LookupNetIP}
	if host, port, err := net.SplitHostPort(run.Peers); err == nil {
		n, _ := strconv.ParseUint(port, 10, 16) // config has checked it
		p.host, p.port = host, uint16(n)
	}
	return p.find
}

// find returns the addresses that DNS names.
func (p *peers) find(ctx context.Context) ([]netip.AddrPort, error) {
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if time.Now().Before(p.until) {
		return p.known, p.failed
	}
	found, err := p.lookup(ctx, "ip", p.host)
	if err != nil && ctx.Err() != nil {
		return nil, context.Cause(ctx) // which says nothing about DNS
	}
	if err != nil {
		p.known, p.failed, p.until = nil, err, time.Now().Add(noPeersFor)
		return nil, err
	}
	var known []netip.AddrPort
	for _, a := range found[:min(len(found), maxPeers)] {
		known = append(known, netip.AddrPortFrom(a.Unmap(), p.port))
	}
	p.known, p.failed, p.until = known, nil, time.Now().Add(peersFor)
	return known, nil
}
