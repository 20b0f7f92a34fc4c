package tunnel

import (
	"errors"
	"slices"
	"time"
)

// unaskedPause is the time after a failed start in which none is tried that
// nobody waits for. A session that ends of itself sooner than that was no better
// than a failed start: a spare one would be replaced for ever.
const unaskedPause = time.Minute

// group is the sessions of one address. Dialer.mu guards it.
type group struct {
	sessions []*session    // all that have not ended, retired ones included
	starts   []*start      // under way
	grown    chan struct{} // closed and replaced when a session comes up
	crowded  chan struct{} // the same when a crowd has come
	failed   time.Time     // when a start failed last, or its session did not live
	died     error         // why the latest session did not; nil while it does
	warned   bool          // of a failed start that nobody waited for
	staled   time.Time     // when all sessions were retired at once
	calm     time.Duration // from then until that may happen again
	weights  weights       // of the latest streams
}

// group returns the group of an address. d.mu is held.
func (d *Dialer) group(address string) *group {
	g := d.groups[address]
	if g == nil {
		g = &group{grown: make(chan struct{}), crowded: make(chan struct{})}
		d.groups[address] = g
	}
	return g
}

// choice is the sessions for new streams, and what they look like.
func (g *group) choice(now time.Time) ([]*session, []view) {
	var sessions []*session
	var views []view
	for _, s := range g.sessions {
		if s.retired == "" {
			sessions, views = append(sessions, s), append(views, s.view(now))
		}
	}
	return sessions, views
}

// dials is how many wait for a start.
func (g *group) dials() int {
	n := 0
	for _, st := range g.starts {
		n += st.dials
	}
	return n
}

// unasked says whether a start that nobody waits for may be tried.
func (g *group) unasked(now time.Time) bool {
	return g.failed.IsZero() || now.Sub(g.failed) >= unaskedPause
}

// forgetEnded waits for the end of s, and forgets it.
func (d *Dialer) forgetEnded(g *group, s *session) {
	<-s.done
	d.mu.Lock()
	defer d.mu.Unlock()
	d.died(g, s, s.err)
	d.totals = d.totals.Plus(s.snapshot(time.Now()).totals())
	if s.lostAway() {
		d.totals.FailedResumes++
	}
	g.sessions = slices.DeleteFunc(g.sessions, func(x *session) bool { return x == s })
}

// died notes why s has ended, unless it was ended here. One that did not live was
// no better than a failed start: another jump host may do better. d.mu is held.
func (d *Dialer) died(g *group, s *session, err error) {
	if s.ending.Load() != nil || time.Since(s.started) >= unaskedPause {
		return
	}
	g.failed = time.Now()
	g.died = s.place.sessionError(err)
	d.hosts.outcome(s.place.target, err)
}

// instead is why the latest session ended, where err only says that they end as
// soon as they have started.
func (g *group) instead(err error) error {
	if g.died != nil && errors.Is(err, errNoSession) {
		return g.died
	}
	return err
}
