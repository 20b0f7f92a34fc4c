package tunnel

import (
	"context"
	"time"
)

const (
	// tendEvery is how often the sessions are looked after.
	tendEvery = time.Second

	// All sessions of an address are retired at once no sooner than this after
	// the last time. RDS names live 5 s.
	minCalm = 5 * time.Second
	maxCalm = time.Minute

	// heldGenerations times Config.Sessions retired sessions may be held by their
	// streams until no more are retired at once: each costs the jump host a
	// process, and old connections end in a true failover.
	heldGenerations = 4
)

// tend looks after all sessions as long as there are any, or Close.
func (d *Dialer) tend() {
	ticker := time.NewTicker(tendEvery)
	defer ticker.Stop()
	for {
		select {
		case <-d.done:
			return
		case <-ticker.C:
		}
		if !d.tendAll(time.Now()) {
			return
		}
	}
}

// tendAll looks after all groups once. It reports whether there is more to come.
func (d *Dialer) tendAll(now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return false
	}
	left := 0
	for address, g := range d.groups {
		d.tendGroup(now, address, g)
		left += len(g.sessions) + len(g.starts)
	}
	d.tending = left > 0
	return d.tending
}

// tendGroup does what policy.tend says. d.mu is held.
func (d *Dialer) tendGroup(now time.Time, address string, g *group) {
	views := make([]view, len(g.sessions))
	for i, s := range g.sessions {
		s.weigh(now, &g.weights)
		views[i] = s.view(now)
	}
	c := d.policy.tend(views, len(g.starts), g.unasked(now))
	for _, i := range c.nudge {
		g.sessions[i].nudged = now
		g.sessions[i].mux.SendNOP()
	}
	for _, i := range c.aged {
		d.retire(g.sessions[i], "it is older than "+d.policy.maxAge.String())
	}
	for _, i := range c.idle {
		d.end(g.sessions[i], "no client for "+idleAfter.String())
	}
	for _, i := range c.end {
		d.end(g.sessions[i], g.sessions[i].retired)
	}
	if c.start {
		p := g.sessions[0].place
		p.address, p.session = address, ""
		d.begin(context.Background(), g, p)
	}
}

// retire takes s out of the choice for new streams; its own go on, and the
// session ends when they have. d.mu is held.
func (d *Dialer) retire(s *session, reason string) {
	if s.retired != "" {
		return
	}
	s.retired = reason
	if !d.closed { // else all sessions end, and the log with them
		s.log.Info("ssm session retired", "reason", reason, "streams", s.mux.Stats().Streams)
	}
}

// end terminates s, which has no streams. d.mu is held.
func (d *Dialer) end(s *session, reason string) {
	if s.leaving {
		return
	}
	s.leaving = true
	if s.retired == "" {
		s.retired = reason
	}
	d.running.Go(func() {
		if err := s.terminate(context.Background(), reason); err != nil {
			s.log.Warn("ssm session may stay open until its idle timeout", "error", err)
		}
	})
}

// stale retires every session of s's address: the jump host resolved it once
// for each, at its start, and what it found is not the database any more. With s
// retired before, that has happened already. Where it happens time and again, new
// sessions find no better: a route to a reader, a database that is down. d.mu is
// held.
func (d *Dialer) stale(s *session, reason string) {
	g := d.group(s.place.address)
	if s.retired != "" || !g.mayStale(time.Now(), d.policy.most) {
		return
	}
	for _, other := range g.sessions {
		d.retire(other, reason)
	}
}

// mayStale says whether all sessions may be retired at once, and notes that they
// are. The first time they may; the pause to the next grows from minCalm to
// maxCalm, and is forgotten when none was needed for as long again.
func (g *group) mayStale(now time.Time, most int) bool {
	held := 0
	for _, s := range g.sessions {
		if s.retired != "" && !s.leaving {
			held++
		}
	}
	since := now.Sub(g.staled)
	if since < g.calm || held >= heldGenerations*most {
		return false
	}
	if since >= 2*maxCalm {
		g.calm = 0
	}
	g.staled, g.calm = now, max(minCalm, min(2*g.calm, maxCalm))
	return true
}

// suspect hears when a stream of s did not reach the database. While all
// sessions are young and none ever did, they are kept: the next would find the
// same address.
func (d *Dialer) suspect(s *session, reason string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, other := range d.group(s.place.address).sessions {
		if other.retired == "" && (other.reached.Load() || time.Since(other.started) >= resolveAgain) {
			d.stale(s, reason)
			return
		}
	}
}
