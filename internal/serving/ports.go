package serving

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/running"
)

// ports opens listeners, or takes those that another front has open already: so
// a reload drops no client that waits to be accepted. The zero value has none.
type ports struct {
	open   map[string]net.Listener // by address; a Unix socket's is its path
	chosen map[string]int          // ports that the system chose; see chooser
	fresh  []net.Listener          // opened here
}

// portsOf are those of f.
func portsOf(f front) *ports {
	p := &ports{open: map[string]net.Listener{}, chosen: map[string]int{}}
	for _, l := range f.listeners() {
		p.open[l.Addr().String()] = l
	}
	for i, t := range f.targets {
		if t.Port == 0 {
			p.chosen[chooser(t)] = f.address(i).Port
		}
	}
	return p
}

// chooser is for whom the system chose a port.
func chooser(t config.Target) string {
	if t.Shared {
		return t.Address
	}
	return t.Address + " " + t.Name
}

// tcp is the listener for t's address and port.
func (p *ports) tcp(ctx context.Context, t config.Target) (net.Listener, error) {
	port := t.Port
	if port == 0 {
		port = p.chosen[chooser(t)] // or still 0
		delete(p.chosen, chooser(t))
	}
	network := "tcp"
	if a, err := netip.ParseAddr(t.Address); err == nil && a.Is4() {
		network = "tcp4" // or 0.0.0.0 would mean IPv6 too
	}
	address := net.JoinHostPort(t.Address, strconv.Itoa(port))
	resolved, err := net.ResolveTCPAddr(network, address)
	if err == nil {
		if l, ok := p.take(resolved.String()); ok {
			return l, nil
		}
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, network, address)
	if own, ok := p.inTheWayOf(resolved); ok && inUse(err) {
		return nil, causes.Misuse(fmt.Sprintf("port %d on %s is already in use: pgkeyless itself listens on %s", port, t.Address, own),
			"start pgkeyless again to change the address of a port that it has open, or choose another port")
	}
	if err != nil {
		return nil, listenError(t, err)
	}
	p.fresh = append(p.fresh, l)
	return l, nil
}

// unix is the listener for the socket of that port in dir.
func (p *ports) unix(dir string, port int) (net.Listener, error) {
	if l, ok := p.take(running.SocketPath(dir, port)); ok {
		return l, nil
	}
	l, err := listenUnix(dir, port)
	if err == nil {
		p.fresh = append(p.fresh, l)
	}
	return l, err
}

// take takes an open listener, which nobody gets twice.
func (p *ports) take(address string) (net.Listener, bool) {
	l, ok := p.open[address]
	delete(p.open, address)
	return l, ok
}

// inTheWayOf is the address of a listener that is open already on the same port,
// where one of the two addresses stands for all.
func (p *ports) inTheWayOf(wanted *net.TCPAddr) (address string, ok bool) {
	for address, l := range p.open {
		open, is := l.Addr().(*net.TCPAddr)
		if is && wanted != nil && open.Port == wanted.Port && (open.IP.IsUnspecified() || wanted.IP.IsUnspecified()) {
			return address, true
		}
	}
	return "", false
}

// close closes what was opened here.
func (p *ports) close() {
	for _, l := range p.fresh {
		l.Close()
	}
}
