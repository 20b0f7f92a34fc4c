package tunnel

import (
	"context"
	"time"
)

// firstTogether sessions start at once while none has ever been ready, and while
// starts are slow. Each has a process of its own on the jump host, and those that
// start together slow each other down.
const firstTogether = 2

// throttle bounds the sessions that start together. Dialer.mu guards it.
type throttle struct {
	running int
	ready   bool          // one has been
	slow    time.Duration // what the latest start has taken, or was waited for in vain
	absent  bool          // that agent did not come in all its time, and none has been ready since
	freed   chan struct{} // closed and replaced when there may be a turn
}

func newThrottle() throttle { return throttle{freed: make(chan struct{})} }

// most is how many sessions may start together; 0: any number.
func (t *throttle) most() int {
	if !t.ready || t.slow >= doubtAfter {
		return firstTogether
	}
	return 0
}

// take takes a turn, if there is one.
func (t *throttle) take() bool {
	if most := t.most(); most > 0 && t.running >= most {
		return false
	}
	t.running++
	return true
}

// done gives a turn back. took is how long it was before the session was ready, or
// the agent had not come; 0 says nothing about the host.
func (t *throttle) done(took time.Duration, ready bool) {
	t.running--
	t.ready = t.ready || ready
	if took > 0 {
		t.slow = took
	}
	close(t.freed)
	t.freed = make(chan struct{})
}

// doubt is how long a start may take until another is begun beside it: longer where
// starts are slow.
func (t *throttle) doubt() time.Duration { return max(doubtAfter, 2*t.slow) }

// awaitTurn waits for a turn, until ctx ends.
func (d *Dialer) awaitTurn(ctx context.Context) error {
	for {
		d.mu.Lock()
		ok, freed := d.throttle.take(), d.throttle.freed
		d.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// takeTurn takes a turn, if there is one.
func (d *Dialer) takeTurn() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.throttle.take()
}

// endTurn gives back the turn of a session that came out so.
func (d *Dialer) endTurn(began time.Time, err error) {
	took := time.Duration(0)
	if err == nil || isAbsent(err) {
		took = time.Since(began)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.throttle.done(took, err == nil)
}
