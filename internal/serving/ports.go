package serving

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

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

	inherited inherited // opened before the process began; nobody else gets them

	// listen opens one; nil is the system's.
	listen   func(ctx context.Context, network, address string) (net.Listener, error)
	without6 bool // localhost was wanted, and this machine has no ::1
}

// portsOf are those of f.
func portsOf(f front) *ports {
	p := &ports{open: map[string]net.Listener{}, chosen: map[string]int{}, inherited: f.inherited}
	for _, l := range f.listeners() {
		if !f.inherited.has(l) {
			p.open[l.Addr().String()] = l
		}
	}
	for i, t := range f.targets {
		if t.Port == 0 {
			p.chosen[chooser(t)] = f.address(i).Port
		}
	}
	return p
}

// sharedName is the name of the inherited sockets for the shared port: none where a
// target has that name.
func (p *ports) sharedName(targets []config.Target) string {
	if slices.ContainsFunc(targets, func(t config.Target) bool { return strings.EqualFold(t.Name, SharedPort) }) {
		return ""
	}
	return SharedPort
}

// chooser is for whom the system chose a port.
func chooser(t config.Target) string {
	if t.Shared {
		return t.Address
	}
	return t.Address + " " + t.Name
}

// maxChoices is how often the system may choose a port that is free on one address
// and taken on the other: rarely even once.
const maxChoices = 20

// tcp is a listener for each of t's addresses, all with t's port.
func (p *ports) tcp(ctx context.Context, t config.Target) ([]net.Listener, error) {
	port := t.Port
	if port == 0 {
		port = p.chosen[chooser(t)] // or still 0
		delete(p.chosen, chooser(t))
	}
	for tries := 1; ; tries++ {
		all, address, err := p.together(ctx, t, port)
		switch {
		case err == nil:
			return all, nil
		case port == 0 && inUse(err) && tries < maxChoices:
			continue
		}
		if own, ok := p.inTheWayOf(address, port); ok && inUse(err) {
			return nil, causes.Misuse(fmt.Sprintf("port %d on %s is already in use: pgkeyless itself listens on %s", port, address, own),
				"start pgkeyless again to change the address of a port that it has open, or choose another port")
		}
		return nil, listenError(t, address, err)
	}
}

// together opens port on each of t's addresses: where it is 0, the port that the
// system chooses for the first. Beside an error it returns the address that has it,
// and opens nothing.
func (p *ports) together(ctx context.Context, t config.Target, port int) (all []net.Listener, address string, err error) {
	before := len(p.fresh)
	for i, address := range t.Addresses() {
		l, err := p.one(ctx, address, port)
		if i > 0 && noSuchAddress(err) {
			p.without6 = true
			continue
		}
		if err != nil {
			for _, l := range p.fresh[before:] {
				l.Close()
			}
			p.fresh = p.fresh[:before]
			return nil, address, err
		}
		all = append(all, l)
		port = tcpAddress(all).Port
	}
	return all, "", nil
}

// one is the listener for that address and port.
func (p *ports) one(ctx context.Context, address string, port int) (net.Listener, error) {
	network := "tcp"
	if a, err := netip.ParseAddr(address); err == nil && a.Is4() {
		network = "tcp4" // or 0.0.0.0 would mean IPv6 too
	}
	hostPort := net.JoinHostPort(address, strconv.Itoa(port))
	if resolved, err := net.ResolveTCPAddr(network, hostPort); err == nil {
		if l, ok := p.take(resolved.String()); ok {
			return l, nil
		}
	}
	listen := p.listen
	if listen == nil {
		listen = new(net.ListenConfig).Listen
	}
	l, err := listen(ctx, network, hostPort)
	if err == nil {
		p.fresh = append(p.fresh, l)
	}
	return l, err
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
// where one of the two addresses means all.
func (p *ports) inTheWayOf(address string, port int) (open string, ok bool) {
	wanted, err := net.ResolveIPAddr("ip", address)
	for _, open := range slices.Sorted(maps.Keys(p.open)) {
		has, is := p.open[open].Addr().(*net.TCPAddr)
		if is && err == nil && has.Port == port && (has.IP.IsUnspecified() || wanted.IP.IsUnspecified()) {
			return open, true
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
