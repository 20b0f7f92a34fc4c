package serving

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/internal/supervisor"
)

// SharedPort names an inherited socket that serves all targets on the shared port. A
// target of the same name takes precedence.
const SharedPort = "shared-port"

// inherited are the sockets that the process was started with. Those of a target take
// the place of its own: TCP sockets that of its address and port, a Unix socket that of
// its unix-socket.
type inherited []supervisor.Socket

// check says which of them would serve nobody.
func (in inherited) check(targets []config.Target) error {
	shared := slices.ContainsFunc(targets, func(t config.Target) bool { return t.Shared })
	for _, s := range in {
		if shared && s.Name == SharedPort || slices.ContainsFunc(targets, func(t config.Target) bool { return strings.EqualFold(t.Name, s.Name) }) {
			continue
		}
		var known []string
		for _, t := range targets {
			known = append(known, t.Name)
		}
		if shared {
			known = append(known, SharedPort)
		}
		return causes.Misuse(fmt.Sprintf("systemd passed a socket named %q for %s, and no target has that name", s.Name, s.Listener.Addr()),
			"set FileDescriptorName= in the socket unit to one of: "+display.Few(known, 5))
	}
	return nil
}

// of are those with that name.
func (in inherited) of(name string) (tcp, unix []net.Listener) {
	for _, s := range in {
		switch {
		case !strings.EqualFold(s.Name, name):
		case s.Listener.Addr().Network() == "unix":
			unix = append(unix, s.Listener)
		default:
			tcp = append(tcp, s.Listener)
		}
	}
	return tcp, unix
}

// has reports whether l is one of them.
func (in inherited) has(l net.Listener) bool {
	return slices.ContainsFunc(in, func(s supervisor.Socket) bool { return s.Listener == l })
}
