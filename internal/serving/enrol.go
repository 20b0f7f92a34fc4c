package serving

import (
	"log/slog"
	"runtime"

	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/internal/running"
)

// enrol says in the registry what front serves, in place of what was said before.
// That others find it is a convenience: a failure is in the log.
func enrol(e *running.Enrolment, front front, ca string, environ []string, log *slog.Logger) {
	var all []running.Served
	for i := range front.targets {
		if s := servedBy(front, i, ca, environ); s.Socket != "" || runtime.GOOS == "windows" {
			all = append(all, s)
		}
	}
	if err := e.Renew(all); err != nil {
		log.Info("connect and exec will not find this proxy", "reason", display.Line(err.Error()))
	}
}

// servedBy is what the registry says of target i. ca is the file by which clients can
// verify its certificate.
func servedBy(front front, i int, ca string, environ []string) running.Served {
	t := front.targets[i]
	s := running.Describe(t, environ)
	s.CA = ca
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
