package tunnel

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/tunnel/datachannel"
	"github.com/pgkeyless/pgkeyless/tunnel/mux"
)

// patience is how long a dial goes on waiting for a session of its own once another
// has come up: streams that begin together shall not stay together.
const patience = 2 * time.Second

// claim is what one dial waits for, and what has come of it so far.
type claim struct {
	d     *Dialer
	place place

	began  time.Time
	failed error     // of the start that was waited for last
	over   bool      // it has waited for as long as it does for a host that is silent
	haste  bool      // there was hope for a better session than a busy one, and is no more
	waited bool      // for a start
	none   bool      // there was no session at all that could serve
	cold   bool      // there has been none at some time
	until  time.Time // it takes what there is then; zero: there has been nothing

	start   *start
	counted bool            // among the start's dials
	grown   <-chan struct{} // closed when a session comes up
	crowded <-chan struct{} // closed when a crowd has come; nil: that changes nothing
	hope    time.Duration   // how long to wait for a better session; 0: there is none to go on with
}

// claim waits for a session that can take one more stream, and returns the stream,
// which is opened along with the choice: dials at the same time see
// each other's. doc.go has a table of what is waited for, and for how long.
func (d *Dialer) claim(ctx context.Context, p place) (*stream, error) {
	const tries = 3 // a session may end between start and OpenStream, but not time and again
	c := claim{d: d, place: p, began: time.Now()}
	for try := 1; ; {
		s, err := c.take(ctx)
		if s != nil || err != nil {
			return s, err
		}
		came, err := c.wait(ctx)
		c.failed = err
		switch {
		case err != nil && ctx.Err() != nil:
			c.leave()
			return nil, err
		case came && c.none:
			if try++; try > tries {
				c.failed = p.sessionError(errNoSession)
			}
		}
	}
}

// leave takes the claim out of those that wait for its start.
func (c *claim) leave() {
	c.d.mu.Lock()
	defer c.d.mu.Unlock()
	c.letGo()
}

// letGo is leave with Dialer.mu held.
func (c *claim) letGo() {
	if c.counted {
		c.start.dials--
		c.counted = false
	}
}

// take opens a stream on the session that suits best. When all it returns is nil,
// the claim is to wait. After a failed start it is to wait no more: that error is
// returned, unless a hampered session may still serve, or a start may whose agent
// is not known to be silent.
func (c *claim) take(ctx context.Context) (*stream, error) {
	d := c.d
	d.mu.Lock()
	defer d.mu.Unlock()
	c.letGo()
	if d.closed {
		return nil, c.place.closedError()
	}
	g := d.group(c.place.address)
	for {
		now := time.Now()
		for _, s := range g.sessions {
			s.weighNew(now, &g.weights)
		}
		sessions, views := g.choice(now)
		policy := d.policy
		policy.together = d.throttle.most()
		policy.pack, policy.spread = g.weights.allLight(), g.weights.mostlyHeavy()
		use, more := policy.choose(views, len(g.starts), g.dials()+1, g.unasked(now))
		if use < 0 && c.failed != nil && (c.over || !isSilent(c.failed) || len(g.starts) == 0) {
			if use = inReach(views); use < 0 {
				return nil, g.instead(c.failed)
			}
			more = false
		}
		c.none = use < 0
		c.cold = c.cold || c.none
		if use >= 0 && c.waits(now, g, policy, views, use) {
			more = policy.room(len(views), len(g.starts)) && len(g.starts) < g.dials()+1
			use = -1
		}
		if more {
			d.beginStart(context.WithoutCancel(ctx), g, c.place, use < 0 && !c.cold)
		}
		if use < 0 {
			c.needStart(g)
			return nil, nil
		}
		if views[use].health() == busy && !c.haste && c.hopeForStart(g, now) {
			return nil, nil
		}
		s := sessions[use]
		st, err := s.mux.OpenStream()
		switch {
		case err == nil:
			s.notice(now, true)
			return &stream{Stream: st, place: s.place, session: s, dialer: d, load: s.carry(now)}, nil
		case errors.Is(err, mux.ErrTooMany):
			return nil, causes.TooManyWaiting.New(c.place.facts(), err)
		case errors.Is(err, mux.ErrClosed):
			d.died(g, s, err)
		}
		d.retire(s, "it takes no more streams") // it has ended, or its ids are used up
	}
}

// waits says whether the claim leaves the quiet session use to others, and waits for
// one that is starting, or can be started: those that come together, where another
// waits or a start is under way for one that has just come, or come where streams are
// heavy, spread over all sessions there may be, in equal parts, while
// patience lasts. Where they are light they may share one. So may a crowd of which
// nothing is known: its logins are over before another session is up. Those of it that
// wait are called then, unless they have found no session at all and wait for one to
// start anyway. Dialer.mu is held.
func (c *claim) waits(now time.Time, g *group, p policy, views []view, use int) bool {
	if c.until.IsZero() {
		c.until = now.Add(patience)
	}
	together := c.waited || g.dials() > 0 || len(g.starts) > 0 && g.fresh(now)
	if !together && !p.spread || !now.Before(c.until) || views[use].health() != quiet {
		return false
	}
	if len(g.starts) == 0 && !(p.room(len(views), 0) && g.unasked(now)) {
		return false
	}
	if !c.cold && !p.spread && p.isCrowd(g.arrived(now)+g.dials()+1) {
		g.callCrowd()
		return false
	}
	return views[use].streams >= p.share(views, g.dials()+1)
}

// needStart makes the claim one of those that wait for a start, the one with the
// fewest. Dialer.mu is held.
func (c *claim) needStart(g *group) {
	st := slices.MinFunc(g.starts, func(a, b *start) int { return a.dials - b.dials })
	st.dials++
	c.start, c.counted, c.waited, c.grown, c.hope = st, true, true, g.grown, 0
	c.crowded = nil
	if !c.cold {
		c.crowded = g.crowded
	}
}

// hopeForStart makes the claim wait for a start that should end soon, if there is
// one. Dialer.mu is held.
func (c *claim) hopeForStart(g *group, now time.Time) bool {
	for _, st := range g.starts {
		if left := hopefulStart - now.Sub(st.began); left > 0 {
			c.start, c.grown, c.hope = st, g.grown, min(left, busyPatience)
			return true
		}
	}
	return false
}

// wait waits for the start to end, and returns its error. It also ends, with nil,
// when another session has come up, when a crowd has come, when patience has ended, and
// with ctx. came says that there is a session that was not there before.
func (c *claim) wait(ctx context.Context) (came bool, err error) {
	if c.hope > 0 {
		return false, c.waitInHope(ctx)
	}
	var enough <-chan time.Time
	if !c.until.IsZero() {
		timer := time.NewTimer(time.Until(c.until))
		defer timer.Stop()
		if time.Now().Before(c.until) {
			enough = timer.C
		}
	}
	silent, stop := c.silence()
	defer stop()
	select {
	case <-c.start.done:
		return c.start.err == nil, c.start.err
	case <-c.grown:
		return true, nil
	case <-c.crowded:
		return false, nil
	case <-silent:
		c.over = true
		return false, c.place.startError(datachannel.ErrAgentAbsent)
	case <-enough:
		select {
		case <-c.start.done: // at the same time
			return c.start.err == nil, c.start.err
		case <-c.grown:
			return true, nil
		default:
			return false, nil
		}
	case <-ctx.Done():
		return false, c.left(ctx)
	}
}

// silence is when the claim has waited for long enough for a jump host that has shown
// to be silent rather than slow; nil: it has not.
func (c *claim) silence() (over <-chan time.Time, stop func()) {
	c.d.mu.Lock()
	absent := c.d.throttle.absent
	c.d.mu.Unlock()
	if !absent {
		return nil, func() {}
	}
	timer := time.NewTimer(time.Until(c.began.Add(handshakeTimeout)))
	return timer.C, func() { timer.Stop() }
}

// left is the error of a wait that ctx has ended. The credentials know what they
// are waiting for themselves: a person, perhaps.
func (c *claim) left(ctx context.Context) error {
	select {
	case <-c.start.done:
		return c.start.err
	default:
	}
	if _, err := c.d.cfg.Credentials.Retrieve(ctx); err != nil {
		return c.place.credentialsError(c.place.starting(), err)
	}
	return c.place.stillStarting(ctx)
}

// waitInHope waits while waiting may help. Its only error is that of ctx.
func (c *claim) waitInHope(ctx context.Context) error {
	c.haste = true
	timer := time.NewTimer(c.hope)
	defer timer.Stop()
	select {
	case <-c.start.done:
	case <-c.grown:
	case <-timer.C:
	case <-ctx.Done():
		return c.place.stillStarting(ctx)
	}
	return nil
}
