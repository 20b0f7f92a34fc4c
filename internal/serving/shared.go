package serving

import (
	"context"
	"log/slog"
	"net"
	"runtime"
	"strings"

	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/internal/running"
	"github.com/pgkeyless/pgkeyless/proxy"
)

// listenShared opens, or inherits, the port that targets share, and the Unix socket beside it.
// Without such targets it opens nothing.
func listenShared(ctx context.Context, targets []config.Target, p *ports, log *slog.Logger) ([]net.Listener, error) {
	for _, t := range targets {
		if !t.Shared {
			continue
		}
		listeners, noSocket, err := listen(ctx, t, p.sharedName(targets), p) // they all say the same of where
		if noSocket != nil {
			log.Info("no unix socket on the shared port", "reason", display.Line(noSocket.Error()))
		}
		return listeners, err
	}
	return nil, nil
}

// listenOwnSocket opens the Unix socket of a target on a shared port, in a
// directory of its own: psql -h DIR/NAME. It is a convenience beside the port,
// so noSocket stops nobody; it is nil as well when none is wanted.
func listenOwnSocket(t config.Target, port int, p *ports) (l net.Listener, noSocket error) {
	if t.UnixSocket == config.SocketNone || t.UnixSocket == "" && runtime.GOOS == "windows" {
		return nil, nil
	}
	dir, err := running.OwnSocketDir(t)
	if err != nil {
		return nil, err
	}
	return p.unix(dir, port)
}

// aliases are the names beside its own by which clients of a shared port may
// choose each target: the endpoint's host name and its first label, unless
// another target may be meant.
func aliases(targets []config.Target) [][]string {
	candidates := make([][]string, len(targets))
	count := map[string]int{}
	for i, t := range targets {
		count[strings.ToLower(t.Name)]++
		host, _, _ := strings.Cut(strings.ToLower(t.Endpoint), ":")
		label, _, _ := strings.Cut(host, ".")
		names := []string{host}
		if label != host {
			names = append(names, label)
		}
		for _, name := range names {
			if name != "" && name != strings.ToLower(t.Name) {
				candidates[i] = append(candidates[i], name)
				count[name]++
			}
		}
	}
	for i := range candidates {
		var clear []string
		for _, name := range candidates[i] {
			if count[name] == 1 {
				clear = append(clear, name)
			}
		}
		candidates[i] = clear
	}
	return candidates
}

// sharedNames are the targets that share a port, for the line that says so.
func sharedNames(targets []config.Target) string {
	var names []string
	for _, t := range targets {
		if t.Shared {
			names = append(names, t.Name)
		}
	}
	return strings.Join(names, ", ")
}

// defaultRoute is the Route's name for clients that name no target.
func defaultRoute(run config.Run, routes []proxy.Route) string {
	for _, r := range routes {
		if strings.EqualFold(r.Name, run.DefaultTarget) {
			return r.Name
		}
	}
	return ""
}
