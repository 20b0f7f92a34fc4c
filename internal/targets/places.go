package targets

import (
	"cmp"
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

	address   string           // that is dialled
	tunnelled bool             // whether there is a tunnel
	key       tunnelKey        // of its Dialer
	tunnels   []*tunnel.Dialer // that one, and those of people with a role of their own
}

// Sessions are the SSM sessions that lead there, the oldest first.
func (p Place) Sessions() []tunnel.SessionSnapshot {
	var all []tunnel.SessionSnapshot
	for _, d := range p.tunnels {
		all = append(all, d.Snapshot()...)
	}
	all = slices.DeleteFunc(all, func(s tunnel.SessionSnapshot) bool { return !strings.EqualFold(s.Address, p.address) })
	slices.SortStableFunc(all, func(a, b tunnel.SessionSnapshot) int { return cmp.Compare(b.Age, a.Age) })
	return all
}

// Places are those of the targets that have been found, by name. A target of an
// earlier configuration keeps its own.
func (w *Wiring) Places() map[string]Place {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := maps.Clone(w.places)
	for name, p := range all {
		if !p.tunnelled {
			continue
		}
		for key, d := range w.tunnels {
			if key.person = (personKey{}); key == p.key {
				p.tunnels = append(p.tunnels, d)
			}
		}
		all[name] = p
	}
	return all
}

// Totals are those of all SSM sessions since the start.
func (w *Wiring) Totals() tunnel.Totals {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := w.past
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
