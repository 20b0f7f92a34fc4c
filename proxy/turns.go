package proxy

import (
	"container/list"
	"context"
	"fmt"
	"sync"
)

// loginsAtOnce is how many logins on one way to a Route are under way together. A login is a
// dozen messages, half of a TLS handshake, and a new process of the database: more of
// them at once finish no sooner, and the last ones get no byte in time. Measured with 600
// clients at once on two processors: without a round trip in between, 16 to 128 differ by
// less than two runs do; at 80 ms, 16 log in 46 clients a second, 32 and 64 do 70, and 128
// up to 83. A tunnel fails dials when 256 of a session wait for the database.
const loginsAtOnce = 64

// turns has logins wait for each other: first come, first served, loginsAtOnce at a
// time. One that nobody waits for has its turn when no client is waiting, and as many clients
// are done as were there when it came: it would take CPU and messages from a crowd, and from
// a few that come together an SSM session that is starting for one of them. It is safe for
// concurrent use; the zero value is ready.
type turns struct {
	mu      sync.Mutex
	busy    int
	asked   int       // of those, logins of clients
	clients list.List // of *turn
	unasked list.List // the same, of logins that nobody waits for
}

// turn is one that is waited for.
type turn struct {
	come  chan struct{} // closed when it has
	ahead int           // clients that must be done before
}

// take waits for a turn, until ctx ends; give must be called after it. queued, unless
// nil, gets to know that there is a wait, and for how many logins altogether. An error
// says what was waited for, and is the context's beneath.
func (t *turns) take(ctx context.Context, unasked bool, queued func(logins int)) error {
	t.mu.Lock()
	queue, own := &t.clients, &turn{come: make(chan struct{})}
	if unasked {
		queue, own.ahead = &t.unasked, t.asked+t.clients.Len()
	}
	place := queue.PushBack(own)
	t.pass()
	select {
	case <-own.come:
		t.mu.Unlock()
		return nil
	default:
	}
	logins := t.busy + t.clients.Len()
	t.mu.Unlock()
	if queued != nil {
		queued(logins)
	}
	select {
	case <-own.come:
		if ctx.Err() == nil {
			return nil
		}
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	select {
	case <-own.come: // at the same time
		t.over(unasked)
	default:
		queue.Remove(place)
		if !unasked {
			t.fewerAhead()
		}
		t.pass()
	}
	return &queuedError{t.busy, queue.Len(), context.Cause(ctx)}
}

// give ends a turn that was taken with the same unasked.
func (t *turns) give(unasked bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.over(unasked)
}

// over is give with mu held.
func (t *turns) over(unasked bool) {
	t.busy--
	if !unasked {
		t.asked--
		t.fewerAhead()
	}
	t.pass()
}

// fewerAhead notes that a client is done, or waits no more; mu is held.
func (t *turns) fewerAhead() {
	for e := t.unasked.Front(); e != nil; e = e.Next() {
		e.Value.(*turn).ahead--
	}
}

// pass hands free turns to those whose turn it is; mu is held.
func (t *turns) pass() {
	for t.busy < loginsAtOnce {
		switch client, other := t.clients.Front(), t.unasked.Front(); {
		case client != nil:
			t.asked++
			close(t.clients.Remove(client).(*turn).come)
		case other != nil && other.Value.(*turn).ahead <= 0:
			close(t.unasked.Remove(other).(*turn).come)
		default:
			return
		}
		t.busy++
	}
}

// way is how logins get to the database of a Route: with its own rights, which is the zero
// value, or with those of a role that is assumed for one identity. Each has SSM sessions and
// credentials of its own, which may hang.
type way struct{ role, identity string }

// lines are the turns of a Route, for each way of its own: where one person's logins hang,
// others' do not wait. They are safe for concurrent use; the zero value is ready.
type lines struct {
	mu  sync.Mutex
	all map[way]*line
}

// line is the turns of one way, as long as somebody has one or waits.
type line struct {
	turns
	members int // of lines.mu
}

// take is that of turns, for a login by way. give must be called after a nil error, and may
// be more than once.
func (l *lines) take(ctx context.Context, by way, unasked bool, queued func(logins int)) (give func(), err error) {
	own := l.join(by)
	if err := own.take(ctx, unasked, queued); err != nil {
		l.leave(by, own)
		return nil, err
	}
	return sync.OnceFunc(func() {
		own.give(unasked)
		l.leave(by, own)
	}), nil
}

func (l *lines) join(by way) *line {
	l.mu.Lock()
	defer l.mu.Unlock()
	own := l.all[by]
	if own == nil {
		if l.all == nil {
			l.all = map[way]*line{}
		}
		own = new(line)
		l.all[by] = own
	}
	own.members++
	return own
}

func (l *lines) leave(by way, own *line) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if own.members--; own.members == 0 {
		delete(l.all, by)
	}
}

// queuedError is a login whose turn did not come.
type queuedError struct {
	busy, waiting int
	err           error
}

func (q *queuedError) Error() string {
	return fmt.Sprintf("waiting for its turn: %d logins are under way, and %d more wait", q.busy, q.waiting)
}

func (q *queuedError) Unwrap() error { return q.err }
