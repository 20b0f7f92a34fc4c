package serving

import (
	"context"
	"log/slog"
	"net"
	"slices"

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

	without6 bool // localhost is 127.0.0.1 alone
}

// openFront opens every listener by p. It checks every target before it opens
// the first port. The caller closes p's listeners; after an error there is none.
func openFront(ctx context.Context, w *targets.Wiring, cfg config.Config, p *ports, log *slog.Logger) (f front, err error) {
	f.targets = cfg.Targets
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
			var l net.Listener
			if l, noSocket = listenOwnSocket(t, tcpAddress(f.shared).Port, p); l != nil {
				r.Listen = []net.Listener{l}
			}
		} else if r.Listen, noSocket, err = listen(ctx, t, p); err != nil {
			return front{}, err
		}
		if noSocket != nil {
			log.Info("no unix socket", "route", t.Name, "reason", display.Line(noSocket.Error()))
		}
	}
	f.without6 = p.without6
	return f, nil
}

// listeners are all of f.
func (f front) listeners() []net.Listener {
	all := slices.Clone(f.shared)
	for _, r := range f.routes {
		all = append(all, r.Listen...)
	}
	return all
}

// address is where TCP clients of target i connect.
func (f front) address(i int) *net.TCPAddr {
	if f.targets[i].Shared {
		return tcpAddress(f.shared)
	}
	return tcpAddress(f.routes[i].Listen)
}

// addresses are all those of target i, as "host:port".
func (f front) addresses(i int) []string {
	listeners := f.routes[i].Listen
	if f.targets[i].Shared {
		listeners = f.shared
	}
	var all []string
	for _, l := range listeners {
		if l.Addr().Network() == "tcp" {
			all = append(all, l.Addr().String())
		}
	}
	return all
}

// tcpAddress is the first TCP listener's. There is always one.
func tcpAddress(listeners []net.Listener) *net.TCPAddr {
	for _, l := range listeners {
		if a, ok := l.Addr().(*net.TCPAddr); ok {
			return a
		}
	}
	return nil
}
