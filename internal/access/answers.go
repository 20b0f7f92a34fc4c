package access

import (
	"context"
	"crypto/sha256"
	"errors"
	"maps"
	"sync"
	"time"
)

const (
	// acceptedFor is how long an accepted token needs no second review, so that a pool
	// which opens all its connections at once costs one.
	acceptedFor = time.Minute
	// refusedFor is how long a refused one is refused without a review.
	refusedFor = 5 * time.Second
	// maxAnswersKept bounds what is remembered: some 200 bytes each.
	maxAnswersKept = 4096
	// maxReviews bounds the reviews under way.
	maxReviews = 8
)

// answers remembers for a short time what was said of tokens, by their hashes. One that
// is asked about several times at once is asked about once. It is safe for concurrent
// use.
type answers struct {
	turns chan struct{} // those who ask

	mu    sync.Mutex
	known map[[sha256.Size]byte]*answer
}

// answer is what was said of one token. Its fields may be read once done is closed.
type answer struct {
	done     chan struct{}
	identity string
	err      error
	gone     bool      // who asked left before the answer came
	until    time.Time // when it ends
}

func newAnswers() *answers {
	return &answers{turns: make(chan struct{}, maxReviews), known: map[[sha256.Size]byte]*answer{}}
}

// of returns what was said of the token, or asks, and remembers an identity until the
// token expires (zero: never) at the latest. What is neither an identity nor a
// *notAccepted reaches those who wait for it too, and is not remembered.
func (a *answers) of(ctx context.Context, token string, expires time.Time, ask func() (string, error)) (string, error) {
	hash := sha256.Sum256([]byte(token))
	for {
		got, mine := a.find(hash, time.Now())
		if mine {
			got.identity, got.err = a.ask(ctx, ask)
			got.settle(ctx, expires, time.Now())
			close(got.done)
			return got.identity, got.err
		}
		select {
		case <-got.done:
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
		if !got.gone {
			return got.identity, got.err
		}
	}
}

// ask asks when it is its turn.
func (a *answers) ask(ctx context.Context, ask func() (string, error)) (string, error) {
	select {
	case a.turns <- struct{}{}:
		defer func() { <-a.turns }()
		return ask()
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// settle says how long e counts, which was given at now to who asked with ctx.
func (e *answer) settle(ctx context.Context, expires, now time.Time) {
	switch {
	case e.err == nil:
		e.until = now.Add(acceptedFor)
		if !expires.IsZero() && expires.Before(e.until) {
			e.until = expires
		}
	case errors.As(e.err, new(*notAccepted)):
		e.until = now.Add(refusedFor)
	default: // over at once
		e.gone = ctx.Err() != nil
	}
}

// find returns the answer for a hash that has not ended; mine says that it is a new one,
// which the caller has to give.
func (a *answers) find(hash [sha256.Size]byte, now time.Time) (got *answer, mine bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if known := a.known[hash]; known != nil && !known.over(now) {
		return known, false
	}
	if len(a.known) >= maxAnswersKept {
		a.makeRoom(now)
	}
	got = &answer{done: make(chan struct{})}
	a.known[hash] = got
	return got, true
}

// given reports whether an answer was given, over whether it has ended since.
func (e *answer) given() bool {
	select {
	case <-e.done:
		return true
	default:
		return false
	}
}

func (e *answer) over(now time.Time) bool { return e.given() && !now.Before(e.until) }

// makeRoom forgets what has ended and, while that is not enough, refusals and then
// everything but what is being asked.
func (a *answers) makeRoom(now time.Time) {
	for _, forget := range []func(*answer) bool{
		func(e *answer) bool { return e.over(now) },
		func(e *answer) bool { return e.given() && e.err != nil },
		(*answer).given,
	} {
		maps.DeleteFunc(a.known, func(_ [sha256.Size]byte, e *answer) bool { return forget(e) })
		if len(a.known) < maxAnswersKept {
			return
		}
	}
}
