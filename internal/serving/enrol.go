package serving

import (
	"cmp"
	"log/slog"
	"runtime"

	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/internal/running"
	"github.com/pgkeyless/pgkeyless/internal/targets"
)

// enrol says in the registry what front serves, in place of what was said before.
// That others find it is a convenience: a failure is in the log.
func enrol(e *running.Enrolment, front front, way way, environ []string, log *slog.Logger) {
	var all []running.Served
	for i := range front.targets {
		if s := servedBy(front, i, way, environ); s.Socket != "" || runtime.GOOS == "windows" {
			all = append(all, s)
		}
	}
	if err := e.Renew(all); err != nil {
		log.Info("connect and exec will not find this proxy", "reason", display.Line(err.Error()))
	}
}

// way is how clients over TCP get in, and know that they are at the right place.
type way struct {
	ca       string // the file by which they can verify a listener's certificate
	passFile string // the one with the local password, if they need it
	asks     bool   // for a password, token or certificate of their own
}

// servedBy is what the registry says of target i.
func servedBy(front front, i int, way way, environ []string) running.Served {
	t := front.targets[i]
	s := running.Describe(t, environ)
	s.Database, s.Usual = cmp.Or(front.routes[i].Database, s.Database), targets.UsualUser(t, front.routes[i])
	s.CA, s.PassFile, s.Asks = way.ca, way.passFile, way.asks
	s.Addresses = front.addresses(i)
	if len(s.Addresses) > 0 {
		s.Address = s.Addresses[0]
	}
	s.Socket = front.socket(i)
	if front.headed && s.Socket != "" {
		s.Address = "" // which connect and exec would take
	}
	for _, l := range front.routes[i].Listen {
		s.Inherited = s.Inherited || l.Addr().String() == s.Socket && front.inherited.has(l)
	}
	return s
}
