package targets

import (
	"maps"
	"slices"
	"strings"

	"github.com/pgkeyless/pgkeyless/tunnel"
)

// Place is where a target has been found to lead.
type Place struct {
	Endpoint string // "host:port"
	Region   string
	Kind     string // of database, in words; "" where AWS was not asked

	address string         // that is dialled
	tunnel  *tunnel.Dialer // nil without one
}

// Sessions are the SSM sessions that lead there, the oldest first.
func (p Place) Sessions() []tunnel.SessionSnapshot {
	if p.tunnel == nil {
		return nil
	}
	return slices.DeleteFunc(p.tunnel.Snapshot(), func(s tunnel.SessionSnapshot) bool { return !strings.EqualFold(s.Address, p.address) })
}

// Places are those of the targets that have been found, by name. A target of an
// earlier configuration keeps its own.
func (w *Wiring) Places() map[string]Place {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.places)
}

// Totals are those of all SSM sessions since the start.
func (w *Wiring) Totals() tunnel.Totals {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all tunnel.Totals
	for _, d := range w.tunnels {
		all = all.Plus(d.Totals())
	}
	return all
}

// found notes where a target leads.
func (w *Wiring) found(name string, p Place) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.places[name] = p
}

// kind is what AWS says the database is.
func (l Login) kind() string {
	if l.Database.Kind != 0 {
		return l.Database.Kind.String()
	}
	return ""
}
