package admin

import (
	"slices"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/status"
	"github.com/pgkeyless/pgkeyless/proxy"
)

const (
	minute  = time.Minute
	quarter = 15 * time.Minute

	// kept samples reach back a quarter of an hour.
	kept = int(quarter/status.HistoryStep) + 1
)

// history keeps samples of the counters, from which rates and recent sums are made.
// It is pure: the time is an argument. It is for one goroutine at a time.
type history struct {
	samples []sample // ascending
	clients map[uint64]activity
}

// sample is the counters of one moment.
type sample struct {
	at     time.Time
	routes map[string]counters
}

// counters are those of one route, of which differences make sense.
type counters struct {
	status.Outcomes
	up, down int64
}

// activity is when a client's bytes were last seen to move.
type activity struct {
	up, down       int64
	upNow, downNow float64 // bytes a second between the last two samples
	moved          time.Time
	at             time.Time
}

func countersOf(r proxy.RouteSnapshot) counters {
	return counters{status.Outcomes{OK: r.Logins, Refused: r.Refused, Failed: r.Failed, Left: r.Left}, r.BytesUp, r.BytesDown}
}

// add takes a sample.
func (h *history) add(now time.Time, server proxy.Snapshot, sessions []proxy.SessionSnapshot) {
	s := sample{at: now, routes: make(map[string]counters, len(server.Routes))}
	for _, r := range server.Routes {
		s.routes[r.Name] = countersOf(r)
	}
	if len(h.samples) == kept {
		copy(h.samples, h.samples[1:])
		h.samples = h.samples[:kept-1]
	}
	h.samples = append(h.samples, s)

	clients := make(map[uint64]activity, len(sessions))
	for _, c := range sessions {
		before, known := h.clients[c.ID]
		if !known {
			before = activity{moved: c.Began, at: c.Began}
		}
		a := activity{up: c.BytesUp, down: c.BytesDown, moved: before.moved, at: now}
		if a.up != before.up || a.down != before.down {
			a.moved = now
		}
		if span := now.Sub(before.at).Seconds(); span > 0 {
			a.upNow, a.downNow = float64(a.up-before.up)/span, float64(a.down-before.down)/span
		}
		clients[c.ID] = a
	}
	h.clients = clients
}

// since returns what route's counters have grown by in the time before now, up to
// the value that they have now.
func (h *history) since(route string, value counters, now time.Time, window time.Duration) status.Outcomes {
	base := counters{} // as at the start of the process
	if len(h.samples) == kept {
		base = h.samples[0].routes[route]
	}
	for _, s := range h.samples {
		if s.at.After(now.Add(-window)) {
			break
		}
		base = s.routes[route]
	}
	return status.Outcomes{
		OK:      max(0, value.OK-base.OK),
		Refused: max(0, value.Refused-base.Refused),
		Failed:  max(0, value.Failed-base.Failed),
		Left:    max(0, value.Left-base.Left),
	}
}

// traffic is what route carries now and has carried of late.
func (h *history) traffic(route string, value counters) status.Traffic {
	t := status.Traffic{Up: value.up, Down: value.down}
	first := max(1, len(h.samples)-status.HistoryLength)
	for i := first; i < len(h.samples); i++ {
		t.History = append(t.History, h.rate(i, route))
	}
	if n := len(t.History); n > 0 {
		t.UpNow, t.DownNow = t.History[n-1].Up, t.History[n-1].Down
	}
	return t
}

// rate is that between sample i and the one before it.
func (h *history) rate(i int, route string) status.Rate {
	before, after := h.samples[i-1], h.samples[i]
	span := after.at.Sub(before.at).Seconds()
	if span <= 0 {
		return status.Rate{}
	}
	a, b := after.routes[route], before.routes[route]
	return status.Rate{Up: float64(max(0, a.up-b.up)) / span, Down: float64(max(0, a.down-b.down)) / span}
}

// sum adds up what several routes carry.
func sum(all []status.Target) status.Traffic {
	var t status.Traffic
	for _, of := range all {
		t.Up, t.Down = t.Up+of.Traffic.Up, t.Down+of.Traffic.Down
		t.UpNow, t.DownNow = t.UpNow+of.Traffic.UpNow, t.DownNow+of.Traffic.DownNow
		for len(t.History) < len(of.Traffic.History) {
			t.History = append(t.History, status.Rate{})
		}
		for i, r := range of.Traffic.History {
			t.History[i].Up += r.Up
			t.History[i].Down += r.Down
		}
	}
	return t
}

// clone is a copy that add does not change. Samples themselves never change.
func (h *history) clone() *history {
	return &history{samples: slices.Clone(h.samples), clients: h.clients}
}
