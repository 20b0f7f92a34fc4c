package tunnel

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/tunnel/mux"
)

// patience is how long a dial goes on waiting for its own session once another
// has come up: streams that begin together shall not stay together.
const patience = time.Second

// claim is what one dial waits for, and what has come of it so far.
type claim struct {
	d     *Dialer
	place place

	failed error // of the start that was waited for last
	haste  bool  // there was hope for a better session than a busy one, and is no more

	start *start
	grown <-chan struct{} // closed when a session comes up
	hope  time.Duration   // how long to wait for a better session; 0: there is none to go on with
}

// claim waits for a session that can take one more stream, and returns it with
// the stream, which is opened along with the choice: dials at the same time see
// each other's. doc.go has a table of what is waited for, and for how long.
func (d *Dialer) claim(ctx context.Context, p place) (*session, *mux.Stream, error) {
	const tries = 3 // a session may end between start and OpenStream, but not time and again
	c := claim{d: d, place: p}
	for try := 1; ; try++ {
		s, st, err := c.take(ctx)
		if s != nil || err != nil {
			return s, st, err
		}
		c.failed = c.wait(ctx)
		switch {
		case c.failed != nil && ctx.Err() != nil:
			return nil, nil, c.failed
		case c.failed == nil && try >= tries:
			c.failed = p.sessionError(errNoSession)
		}
	}
}

// take opens a stream on the session that suits best. When all it returns is nil,
// the claim is to wait. After a failed start it is to wait no more: that error is
// returned, unless a hampered session may still serve.
func (c *claim) take(ctx context.Context) (*session, *mux.Stream, error) {
	d := c.d
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, nil, c.place.closedError()
	}
	g := d.group(c.place.address)
	for {
		now := time.Now()
		sessions, views := g.choice(now)
		use, more := d.policy.choose(views, len(g.starts), g.dials()+1, g.unasked(now))
		if use < 0 && c.failed != nil {
			if use = inReach(views); use < 0 {
				return nil, nil, g.instead(c.failed)
			}
			more = false
		}
		if more {
			d.begin(context.WithoutCancel(ctx), g, c.place)
		}
		if use < 0 {
			c.needStart(g)
			return nil, nil, nil
		}
		if views[use].health() == busy && !c.haste && c.hopeForStart(g, now) {
			return nil, nil, nil
		}
		s := sessions[use]
		st, err := s.mux.OpenStream()
		switch {
		case err == nil:
			s.notice(now, true)
			return s, st, nil
		case errors.Is(err, mux.ErrTooMany):
			return nil, nil, causes.TooManyWaiting.New(c.place.facts(), err)
		case errors.Is(err, mux.ErrClosed):
			d.died(g, s, err)
		}
		d.retire(s, "it takes no more streams") // it has ended, or its ids are used up
	}
}

// needStart makes the claim one of those that wait for a start, the one with the
// fewest. Dialer.mu is held.
func (c *claim) needStart(g *group) {
	st := slices.MinFunc(g.starts, func(a, b *start) int { return a.dials - b.dials })
	st.dials++
	c.start, c.grown, c.hope = st, g.grown, 0
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
// some time after another session has come up, and with ctx.
func (c *claim) wait(ctx context.Context) error {
	if c.hope > 0 {
		return c.waitInHope(ctx)
	}
	defer func() {
		c.d.mu.Lock()
		defer c.d.mu.Unlock()
		c.start.dials--
	}()
	var enough <-chan time.Time
	grown := c.grown
	for {
		select {
		case <-c.start.done:
			return c.start.err
		case <-grown:
			grown = nil
			timer := time.NewTimer(patience)
			defer timer.Stop()
			enough = timer.C
		case <-enough:
			return nil
		case <-ctx.Done():
			return c.left(ctx)
		}
	}
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
