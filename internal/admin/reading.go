package admin

import (
	"github.com/pgkeyless/pgkeyless/internal/metrics"
	"github.com/pgkeyless/pgkeyless/tunnel"
)

// reading is what one scrape gets. It asks nobody and waits for nothing but locks
// that are held for microseconds.
func (a *Admin) reading() metrics.Reading {
	a.mu.Lock()
	server := a.server
	r := metrics.Reading{Reload: metrics.Reload{At: a.cfg.Started, OK: true}} // the start read it
	if a.reload != nil {
		r.Reload = metrics.Reload{At: a.reload.At, OK: a.reload.OK}
	}
	a.mu.Unlock()
	if server != nil {
		r.Server = server.Snapshot()
	}
	r.Tunnels, r.Credentials = a.cfg.Wiring.Totals(), a.cfg.Profiles.Views()
	places := a.cfg.Wiring.Places()
	r.Sessions = make(map[string][]tunnel.SessionSnapshot, len(places))
	for target, place := range places {
		r.Sessions[target] = place.Sessions()
	}
	return r
}
