package serving

import (
	"context"
	"io"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/internal/passfile"
)

// localPassword keeps lines in the user's password file for what this process serves. nil
// does nothing.
type localPassword struct {
	path string
	log  *slog.Logger

	mu    sync.Mutex
	lines []passfile.Listener // in the file
	ended bool                // nothing is written any more
}

func newLocalPassword(environ []string, log *slog.Logger) (*localPassword, error) {
	path, err := passfile.Path(environ)
	return &localPassword{path: path, log: log}, err
}

// file is the password file, "" of nil.
func (l *localPassword) file() string {
	if l == nil {
		return ""
	}
	return l.path
}

// serve keeps lines for f, in place of those for what was served before. Once they are
// withdrawn, it does nothing: a reload may be under way when a signal comes.
func (l *localPassword) serve(f front) error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return nil
	}
	names := namesOf(f)
	if err := passfile.Update(l.path, names, l.lines); err != nil {
		return err
	}
	l.lines = names
	return nil
}

// withdraw takes this process's lines out again: another server that comes to one of
// the ports may ask for the password in clear text, or be another pgkeyless, which has
// lines of its own for it. So it is for the time before the listeners close. The password
// stays. It may be called again, which matters only after an error.
func (l *localPassword) withdraw() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	if len(l.lines) == 0 {
		return
	}
	if err := passfile.Update(l.path, nil, l.lines); err != nil {
		l.log.Warn("lines of pgkeyless stay in the password file", "path", display.Line(l.path), "error", display.Line(err.Error()))
		return
	}
	l.lines = nil
}

// tell says where clients find the password.
func (l *localPassword) tell(ctx context.Context, w io.Writer, log *slog.Logger, run config.Run) {
	if l != nil {
		saying(ctx, w, log, run, "Clients over TCP need the local password; libpq reads it from "+display.Line(l.path)+", and `pgkeyless password --local` prints it")
	}
}

// namesOf are the names by which clients on this machine reach the listeners of f.
func namesOf(f front) []passfile.Listener {
	var all []passfile.Listener
	for i, t := range f.targets {
		a := f.address(i)
		if a == nil {
			continue
		}
		hosts := []string{t.Address}
		if ip := a.AddrPort().Addr().Unmap(); ip.IsUnspecified() || strings.EqualFold(t.Address, config.Localhost) || slices.Contains(loopbacks, ip) {
			hosts = append([]string{config.Localhost}, texts(loopbacks)...)
		} else if ip.String() != t.Address {
			hosts = append(hosts, ip.String())
		}
		if t.Shared { // by the TLS server name
			hosts = append(hosts, t.Name+"."+config.Localhost)
		}
		for _, host := range hosts {
			if l := (passfile.Listener{Host: host, Port: a.Port}); !slices.Contains(all, l) {
				all = append(all, l)
			}
		}
	}
	return all
}

var loopbacks = []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}

func texts(addresses []netip.Addr) []string {
	var all []string
	for _, a := range addresses {
		all = append(all, a.String())
	}
	return all
}
