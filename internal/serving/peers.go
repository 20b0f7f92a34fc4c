package serving

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/config"
)

const (
	// peersFor is how long an answer of DNS about the peers counts: replicas come and go.
	peersFor = 5 * time.Second
	// maxPeers bounds how many are asked.
	maxPeers = 64
)

// peers looks replicas up by name. It is safe for concurrent use.
type peers struct {
	host   string
	port   uint16 // 0: the one that the client came to
	lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)

	mu    sync.Mutex
	known []netip.AddrPort
	until time.Time
}

// peersOf is for proxy.Config.Peers; nil where there are none.
func peersOf(run config.Run) func(context.Context) ([]netip.AddrPort, error) {
	if run.Peers == "" {
		return nil
	}
	p := &peers{host: run.Peers, lookup: net.DefaultResolver.LookupNetIP}
	if host, port, err := net.SplitHostPort(run.Peers); err == nil {
		n, _ := strconv.ParseUint(port, 10, 16) // config has checked it
		p.host, p.port = host, uint16(n)
	}
	return p.find
}

// find returns the addresses that DNS names.
func (p *peers) find(ctx context.Context) ([]netip.AddrPort, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Now().Before(p.until) {
		return p.known, nil
	}
	found, err := p.lookup(ctx, "ip", p.host)
	if err != nil {
		return nil, err
	}
	var known []netip.AddrPort
	for _, a := range found[:min(len(found), maxPeers)] {
		known = append(known, netip.AddrPortFrom(a.Unmap(), p.port))
	}
	p.known, p.until = known, time.Now().Add(peersFor)
	return known, nil
}
