package proxy

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// stateWrongPassword is how PostgreSQL refuses a password.
const stateWrongPassword = "28P01"

const (
	// rotationPause is the first pause before a password that was refused is tried again.
	// It doubles up to rotationMost.
	rotationPause = 2 * time.Second
	rotationMost  = 30 * time.Second
	// rotationLag is how long a refusal may be due to a rotation: the source's current
	// password is behind the database, or ahead of it, for about a minute.
	rotationLag = 90 * time.Second
	// rotationReserve is what a last try has at least: a pause is shortened for it.
	rotationReserve = time.Second
)

// Rotation is what the logins with one password share once the database has refused it.
// While a rotation may explain that, one of them tries, and the others wait for its
// result. A password that was refused is forgotten after a login with it, or with another.
// Its methods are safe for concurrent use.
type Rotation struct {
	turn chan struct{} // holds one: who tries

	mu    sync.Mutex
	said  *refusal      // the database's; nil while no password is refused
	since time.Time     // of the first, by the wall clock
	next  time.Time     // when it may be tried again
	pause time.Duration // between that and the time after
	took  time.Duration // the last try
}

// NewRotation makes one of a password that nobody has refused.
func NewRotation() *Rotation { return &Rotation{turn: make(chan struct{}, 1)} }

// outcome notes how a login went that was answered with a password.
func (r *Rotation) outcome(err error, now time.Time) {
	said := wrongPassword(err)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err == nil:
		r.said = nil
	case said != nil && !r.isOf(said):
		kept := *said // each client's own is explained
		kept.unserved, kept.before = nil, nil
		r.said, r.since, r.pause = &kept, now.Round(0), rotationPause
		r.later(now)
	}
}

// later puts off the next try. r.mu is held.
func (r *Rotation) later(now time.Time) {
	r.next = now.Add(r.pause + rand.N(r.pause/8)) // other processes wait, too
	r.pause = min(2*r.pause, rotationMost)
}

// isOf reports whether said refuses the password that r knows of. r.mu is held.
func (r *Rotation) isOf(said *refusal) bool {
	return r.said != nil && r.said.used.Reveal() == said.used.Reveal()
}

// hope reports whether a rotation may explain a refusal at a time. r.mu is held.
func (r *Rotation) hope(at time.Time) bool {
	age := at.Round(0).Sub(r.since)
	return r.said != nil && age >= 0 && age < rotationLag
}

// known is the refusal that a new login would meet, nil where that is not known: then the
// login is tried.
func (r *Rotation) known(now time.Time) *refusal {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.hope(now) {
		return nil
	}
	said := *r.said
	return &said
}

// over reports whether said does not hold any more: there was a login since, or the
// refusal of another password.
func (r *Rotation) over(said *refusal) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.isOf(said)
}

// wait is how long the next try is away, and how long it may take. Without hope there is
// none.
func (r *Rotation) wait(now time.Time) (wait, takes time.Duration, hope bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	wait = max(r.next.Sub(now), 0)
	return wait, r.took, r.hope(now.Add(wait))
}

// tried notes the end of a try that took so long.
func (r *Rotation) tried(now time.Time, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.took = took
	if !r.next.After(now) { // else it was of another password, whose first pause is set
		r.later(now)
	}
}

// wrongPassword is the refusal of an ordinary password that err is, or nil.
func wrongPassword(err error) *refusal {
	var said *refusal
	if errors.As(err, &said) && said.code == stateWrongPassword && said.early() && said.used.Reveal() != "" {
		return said
	}
	return nil
}

// refusedBefore is the refusal of the password with which the session would log in, where
// another has met that just now; else nil.
func (s *session) refusedBefore() error {
	user := s.wants.value("user")
	if s.route.ordinaryFor(user) == nil {
		return nil
	}
	if said := s.route.Passwords.Rotation(user).known(time.Now()); said != nil {
		said.unserved = s.unserved
		return said
	}
	return nil
}

// errAnother is a refusal that does not hold any more.
var errAnother = errors.New("another password, or another answer")

// rotated repeats a login whose ordinary password was refused: while a password is
// rotated, the database may know another than its source, or a reader another than its
// writer. It ends with the refusal where there is no hope, or no time for another login.
func (s *session) rotated(ctx context.Context, up *upstream, err error) (*upstream, error) {
	var before Password // that was tried again at once
	for {
		said := wrongPassword(err)
		if said == nil {
			return up, err
		}
		r := s.route.Passwords.Rotation(said.user)
		select {
		case r.turn <- struct{}{}:
		case <-ctx.Done():
			return nil, stopped(ctx, said)
		}
		up, err = s.try(ctx, r, said)
		<-r.turn
		if !errors.Is(err, errAnother) {
			return up, err
		}
		// A name may lead to several servers, of which one takes the password and one does not.
		if before.Reveal() == said.used.Reveal() && (shortened(ctx, rotationPause, s.took) < rotationPause || !sleep(ctx, rotationPause)) {
			return nil, stopped(ctx, said)
		}
		before = said.used
		if up, err = s.repeat(ctx, said); ctx.Err() != nil {
			return up, err
		}
	}
}

// try tries, until the database takes a password, or said does not hold any more. It is at
// once where the source has another password, and after a pause where it has not.
func (s *session) try(ctx context.Context, r *Rotation, said *refusal) (*upstream, error) {
	for last := false; ; {
		if r.over(said) {
			return nil, errAnother
		}
		now, err := s.route.Passwords.Renew(ctx, said.user, said.used)
		if ctx.Err() != nil {
			return nil, stopped(ctx, said)
		}
		if err != nil && now.Reveal() == "" {
			return nil, s.notRenewed(said, err)
		}
		if now.Reveal() == said.used.Reveal() && !last {
			wait, takes, hope := r.wait(time.Now())
			pause := shortened(ctx, wait, max(takes, s.took, rotationReserve))
			if !hope || pause < min(wait, rotationPause) || !sleep(ctx, pause) {
				if err != nil {
					return nil, s.notRenewed(said, err)
				}
				return nil, stopped(ctx, said)
			}
			if last = pause < wait; wait > 0 {
				continue // what is to be tried may be another password by now
			}
		}
		last = false
		began := time.Now()
		up, err := s.repeat(ctx, said)
		r.tried(time.Now(), time.Since(began))
		next := wrongPassword(err)
		if next == nil || ctx.Err() != nil {
			return up, err
		}
		said = next
	}
}

// repeat is another login after said, which is also the answer where no time was left.
func (s *session) repeat(ctx context.Context, said *refusal) (*upstream, error) {
	s.server.tally.retried(s.entry)
	s.log.Info("password refused, trying once more", "sqlstate", said.code)
	up, err := s.withRoom(ctx, s.unguessed)
	if err != nil && ctx.Err() != nil && !errors.As(err, new(*refusal)) {
		return nil, stopped(ctx, said)
	}
	return up, err
}

// stopped is how a wait for another password ends: with said, unless the proxy or a person
// ended it.
func stopped(ctx context.Context, said *refusal) error {
	cause := context.Cause(ctx)
	if cause == nil || errors.Is(cause, causes.LoginOverdue) || errors.Is(cause, errClientGone) {
		return said
	}
	return cause
}

// notRenewed is err, for which a password that was refused could not be read anew.
func (s *session) notRenewed(said *refusal, err error) error {
	err = causes.Wrap("reading it again", "the database refused the one in memory: "+said.Error()+" (SQLSTATE "+said.code+")", err)
	return noPassword.New(causes.Facts{"quoted user": strconv.Quote(said.user), "database": s.route.Name}, err)
}

// shortened is a pause of d, or what ctx leaves of it with a reserve after it.
func shortened(ctx context.Context, d, reserve time.Duration) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		return min(d, time.Until(deadline)-reserve)
	}
	return d
}

// sleep waits for d, and returns false when ctx ends before.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
