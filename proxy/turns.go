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
// time. Those that nobody waits for come when no other is waiting. It is safe for
// concurrent use; the zero value is ready.
type turns struct {
	mu      sync.Mutex
	busy    int
	clients list.List // of chan struct{}, closed when its turn has come
	unasked list.List // the same, of logins that nobody waits for
}

// take waits for a turn, until ctx ends; give must be called after it. queued, unless
// nil, gets to know that there is a wait, and for how many logins altogether. An error
// says what was waited for, and is the context's beneath.
func (t *turns) take(ctx context.Context, unasked bool, queued func(logins int)) error {
	t.mu.Lock()
	queue := &t.clients
	if unasked {
		queue = &t.unasked
	}
	if t.busy < loginsAtOnce && queue.Len() == 0 && (!unasked || t.clients.Len() == 0) {
		t.busy++
		t.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	place := queue.PushBack(turn)
	logins := t.busy + t.clients.Len()
	t.mu.Unlock()
	if queued != nil {
		queued(logins)
	}
	select {
	case <-turn:
		if ctx.Err() == nil {
			return nil
		}
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	select {
	case <-turn: // at the same time
		t.pass()
	default:
		queue.Remove(place)
	}
	return &queuedError{t.busy, queue.Len(), context.Cause(ctx)}
}

// give ends a turn.
func (t *turns) give() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pass()
}

// pass hands a turn to the next; mu is held.
func (t *turns) pass() {
	for _, queue := range []*list.List{&t.clients, &t.unasked} {
		if next := queue.Front(); next != nil {
			close(queue.Remove(next).(chan struct{}))
			return
		}
	}
	t.busy--
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
		own.give()
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
