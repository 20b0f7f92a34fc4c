package tunnel

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/tunnel/mux"
)

const (
	// patience is how long a dial goes on waiting for its own session once
	// another has come up: streams that begin together shall not stay together.
	patience = time.Second

	// unaskedPause is the time after a failed start in which none is tried that
	// nobody waits for. A session that ends of itself sooner than that was no
	// better than a failed start: a spare one would be replaced for ever.
	unaskedPause = time.Minute
)

// group is the sessions of one address. Dialer.mu guards it.
type group struct {
	sessions []*session    // all that have not ended, retired ones included
	starts   []*start      // under way
	grown    chan struct{} // closed and replaced when a session comes up
	failed   time.Time     // when a start failed last, or its session did not live
	died     error         // why the latest session did not; nil while it does
	warned   bool          // of a failed start that nobody waited for
	staled   time.Time     // when all sessions were retired at once
	calm     time.Duration // from then until that may happen again
}

// start is one attempt to start a session.
type start struct {
	began  time.Time
	cancel context.CancelCauseFunc
	done   chan struct{} // closed when err is set
	err    error
	dials  int // that wait for it; guarded by Dialer.mu
}

// waiter is a dial that waits for a start.
type waiter struct {
	d     *Dialer
	place place
	start *start
	grown <-chan struct{}

	// A stream that could be served at once waits for so long at most, and for
	// any session; 0: it cannot.
	atMost time.Duration
}

// group returns the group of an address. d.mu is held.
func (d *Dialer) group(address string) *group {
	g := d.groups[address]
	if g == nil {
		g = &group{grown: make(chan struct{})}
		d.groups[address] = g
	}
	return g
}

// open opens a stream on the session that suits best, or says which start is to
// be waited for. failed is the error of the start that was waited for before, if
// any: it is returned when there is nothing but to wait once more, unless a
// hampered session may still serve. haste takes a busy session rather than wait
// for a better one.
func (d *Dialer) open(ctx context.Context, p place, failed error, haste bool) (net.Conn, *waiter, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, nil, p.closedError()
	}
	g := d.group(p.address)
	for {
		now := time.Now()
		sessions, views := g.choice(now)
		use, more := d.policy.choose(views, len(g.starts), g.dials()+1, g.unasked(now))
		if use < 0 && failed != nil {
			if use = inReach(views); use < 0 {
				return nil, nil, g.instead(failed)
			}
			more = false
		}
		if use < 0 {
			if more {
				d.begin(context.WithoutCancel(ctx), g, p)
			}
			st := slices.MinFunc(g.starts, func(a, b *start) int { return a.dials - b.dials })
			st.dials++
			return nil, &waiter{d: d, place: p, start: st, grown: g.grown}, nil
		}
		if !haste && views[use].health() == busy {
			if more {
				d.begin(context.Background(), g, p)
				more = false
			}
			if w := g.hope(now); w != nil {
				w.d, w.place = d, p
				return nil, w, nil
			}
		}
		s := sessions[use]
		st, err := s.mux.OpenStream()
		switch {
		case err == nil:
			if more {
				d.begin(context.Background(), g, p)
			}
			s.notice(now, true)
			return &stream{Stream: st, place: s.place, session: s, dialer: d}, nil, nil
		case errors.Is(err, mux.ErrTooMany):
			return nil, nil, causes.TooManyWaiting.New(p.facts(), err)
		}
		if errors.Is(err, mux.ErrClosed) {
			d.died(g, s, err)
		}
		d.retire(s, "it takes no more streams") // it has ended, or its ids are used up
	}
}

// hope is a wait for a start that should end soon; nil: there is none.
func (g *group) hope(now time.Time) *waiter {
	for _, st := range g.starts {
		if left := hopefulStart - now.Sub(st.began); left > 0 {
			return &waiter{start: st, grown: g.grown, atMost: min(left, busyPatience)}
		}
	}
	return nil
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

// wait waits for the start to end, and returns its error. It also ends, with
// nil, some time after another session has come up, and with ctx.
func (w *waiter) wait(ctx context.Context) error {
	if w.atMost > 0 {
		return w.hope(ctx)
	}
	defer func() {
		w.d.mu.Lock()
		defer w.d.mu.Unlock()
		w.start.dials--
	}()
	var enough <-chan time.Time
	grown := w.grown
	for {
		select {
		case <-w.start.done:
			return w.start.err
		case <-grown:
			grown = nil
			timer := time.NewTimer(patience)
			defer timer.Stop()
			enough = timer.C
		case <-enough:
			return nil
		case <-ctx.Done():
			return w.left(ctx)
		}
	}
}

// left is the error of a wait that ctx has ended. The credentials know what they
// are waiting for themselves: a person, perhaps.
func (w *waiter) left(ctx context.Context) error {
	select {
	case <-w.start.done:
		return w.start.err
	default:
	}
	if _, err := w.d.cfg.Credentials.Retrieve(ctx); err != nil {
		return w.place.credentialsError(w.place.starting(), err)
	}
	return w.place.stillStarting(ctx)
}

// hope waits while waiting may help. Its only error is that of ctx.
func (w *waiter) hope(ctx context.Context) error {
	timer := time.NewTimer(w.atMost)
	defer timer.Stop()
	select {
	case <-w.start.done:
	case <-w.grown:
	case <-timer.C:
	case <-ctx.Done():
		return w.place.stillStarting(ctx)
	}
	return nil
}

// begin begins the start of one more session. d.mu is held.
func (d *Dialer) begin(ctx context.Context, g *group, p place) {
	ctx, cancel := context.WithCancelCause(ctx)
	st := &start{began: time.Now(), cancel: cancel, done: make(chan struct{})}
	g.starts = append(g.starts, st)
	d.running.Go(func() { d.start(ctx, g, st, p) })
	if !d.tending {
		d.tending = true
		d.running.Go(d.tend)
	}
}

// start runs one start and hands its result to those that wait for st.
func (d *Dialer) start(ctx context.Context, g *group, st *start, p place) {
	defer st.cancel(nil)
	s, err := d.startInTime(ctx, p)

	d.mu.Lock()
	g.starts = slices.DeleteFunc(g.starts, func(x *start) bool { return x == st })
	closed := d.closed
	switch {
	case err != nil:
		g.failed = time.Now()
		if st.dials == 0 && !g.warned && !closed {
			g.warned = true
			d.say(d.cfg.Log, slog.LevelWarn, "no further ssm session", "address", p.address, "error", err)
		}
	case !closed:
		g.sessions = append(g.sessions, s)
		g.warned, g.died = false, nil
		close(g.grown)
		g.grown = make(chan struct{})
	}
	d.mu.Unlock()
	switch {
	case err == nil && closed: // too late for Close to see it
		if err := s.terminate(ctx, ""); err != nil {
			d.say(s.log, slog.LevelWarn, "ssm session may stay open until its idle timeout", "error", err)
		}
		st.err = p.closedError()
	case errors.Is(context.Cause(ctx), ErrClosed):
		st.err = p.closedError()
	default:
		st.err = err
	}
	if err == nil {
		d.running.Go(func() { d.forgetEnded(g, s) })
	}
	close(st.done)
}

// startInTime starts a session, in no more than startTimeout once there are
// credentials.
func (d *Dialer) startInTime(ctx context.Context, p place) (*session, error) {
	if _, err := d.cfg.Credentials.Retrieve(ctx); err != nil {
		err := p.credentialsError(p.starting(), err)
		d.trace(Progress{Stage: StageSession, JumpHost: p.target, Err: err})
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	return d.startSession(ctx, p)
}

// forgetEnded waits for the end of s, and forgets it.
func (d *Dialer) forgetEnded(g *group, s *session) {
	<-s.done
	d.mu.Lock()
	defer d.mu.Unlock()
	d.died(g, s, s.err)
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
