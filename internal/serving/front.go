package serving

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/internal/targets"
	"github.com/pgkeyless/pgkeyless/proxy"
)

// front is what a run serves and where: targets and their Routes, one for one,
// with their own listeners, and the listeners that the targets share.
type front struct {
	targets []config.Target
	routes  []proxy.Route
	shared  []net.Listener

	inherited inherited // among them all, the sockets that the process was started with
	without6  bool      // localhost is 127.0.0.1 alone
	headed    bool      // TCP clients of this machine must begin with a PROXY protocol header
}

// openFront opens every listener by p. It checks every target before it opens
// the first port. The caller closes p's listeners; after an error there is none.
func openFront(ctx context.Context, w *targets.Wiring, cfg config.Config, p *ports, log *slog.Logger) (f front, err error) {
	f.targets, f.inherited = cfg.Targets, p.inherited
	f.headed = slices.ContainsFunc(cfg.Run.Balancers(), func(p netip.Prefix) bool { return p.Contains(netip.AddrFrom4([4]byte{127, 0, 0, 1})) })
	if err := p.inherited.check(cfg.Targets); err != nil {
		return front{}, err
	}
	if f.routes, err = w.Routes(ctx, cfg.Targets); err != nil {
		return front{}, err
	}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	if f.shared, err = listenShared(ctx, cfg.Targets, p, log); err != nil {
		return front{}, err
	}
	names := aliases(cfg.Targets)
	for i, t := range cfg.Targets {
		r := &f.routes[i]
		var noSocket error
		if t.Shared {
			r.Aliases = names[i]
			tcp, unix := p.inherited.of(t.Name)
			r.Listen = append(tcp, unix...)
			if len(unix) == 0 {
				var l net.Listener
				if l, noSocket = listenOwnSocket(t, socketNumber(f.shared, t), p); l != nil {
					r.Listen = append(r.Listen, l)
				}
			}
		} else if r.Listen, noSocket, err = listen(ctx, t, t.Name, p); err != nil {
			return front{}, err
		}
		if noSocket != nil {
			log.Info("no unix socket", "route", t.Name, "reason", display.Line(noSocket.Error()))
		}
	}
	f.without6 = p.without6
	return f, f.checkOpen(cfg.Run)
}

// checkOpen refuses listeners beyond loopback whose clients prove nothing.
func (f front) checkOpen(run config.Run) error {
	if run.Auth != config.AuthNone || run.AllowAnyone {
		return nil
	}
	for i, t := range f.targets {
		if a := f.beyond(i); a != nil {
			return causes.Misuse(fmt.Sprintf("anyone who reaches %s would be logged in to %s without a password", a, t.Name),
				"have clients prove who they are (--auth scram or cert), listen on localhost, or let anyone in with --allow-anyone")
		}
	}
	return nil
}

// listeners are all of f.
func (f front) listeners() []net.Listener {
	all := slices.Clone(f.shared)
	for _, r := range f.routes {
		all = append(all, r.Listen...)
	}
	return all
}

// address is where TCP clients of target i connect; nil where they cannot.
func (f front) address(i int) *net.TCPAddr {
	return tcpAddress(f.tcpListeners(i))
}

// addresses are all those of target i, as "host:port".
func (f front) addresses(i int) []string {
	all := []string{}
	for _, l := range f.tcpListeners(i) {
		if l.Addr().Network() == "tcp" {
			all = append(all, l.Addr().String())
		}
	}
	return all
}

// tcpListeners has those among which the TCP listeners of target i are: its own, or
// the shared ones.
func (f front) tcpListeners(i int) []net.Listener {
	if f.targets[i].Shared {
		return f.shared
	}
	return f.routes[i].Listen
}

// beyond is an address of target i that others than this machine may reach, or nil.
func (f front) beyond(i int) *net.TCPAddr {
	for _, l := range slices.Concat(f.tcpListeners(i), f.routes[i].Listen) {
		if a, ok := l.Addr().(*net.TCPAddr); ok && !a.IP.IsLoopback() {
			return a
		}
	}
	return nil
}

// socket is the path of target i's own Unix socket that libpq finds; "" where it has
// none.
func (f front) socket(i int) string { return socketAmong(f.routes[i].Listen) }

// socketAmong is the path of the first Unix socket among listeners that libpq finds.
func socketAmong(listeners []net.Listener) string {
	for _, l := range listeners {
		if l.Addr().Network() == "unix" {
			if dir, _ := socketPlace(l.Addr().String()); dir != "" { // an inherited one may have any name
				return l.Addr().String()
			}
		}
	}
	return ""
}

// tcpAddress is the first TCP listener's, nil where there is none.
func tcpAddress(listeners []net.Listener) *net.TCPAddr {
	for _, l := range listeners {
		if a, ok := l.Addr().(*net.TCPAddr); ok {
			return a
		}
	}
	return nil
}
