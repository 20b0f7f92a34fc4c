package proxy

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// stateWrongPassword is how PostgreSQL refuses a password.
const stateWrongPassword = "28P01"

const (
	// rotationPause is the first pause before a password that was refused is tried again.
	// It doubles up to rotationMost.
	rotationPause = 2 * time.Second
	rotationMost  = 30 * time.Second
)

// wrongPassword is the refusal of an ordinary password that err is, or nil.
func wrongPassword(err error) *refusal {
	var said *refusal
	if errors.As(err, &said) && said.code == stateWrongPassword && said.early() && said.used.Reveal() != "" {
		return said
	}
	return nil
}

// rotated repeats a login whose ordinary password was refused: while a password is
// rotated, the database may know another than its source, or a reader another than its
// writer. The first time is at once where the source has another password, all others are
// after a pause. They end with the source's hope, and where no time is left for another.
func (s *session) rotated(ctx context.Context, up *upstream, err error) (*upstream, error) {
	pause := rotationPause
	for tries := 0; ; tries++ {
		said := wrongPassword(err)
		if said == nil {
			return up, err
		}
		changed, hope := s.renew(ctx, said)
		if !hope {
			return up, err
		}
		if !changed || tries > 0 {
			if !pauseWithin(ctx, pause) {
				return up, err
			}
			pause = min(2*pause, rotationMost)
			changed, _ = s.renew(ctx, said)
		}
		s.server.tally.retried(s.entry)
		s.log.Info("password refused, trying once more", "sqlstate", said.code, "another_password", changed)
		up, err = s.inTurn(ctx, s.unguessed)
	}
}

// renew asks for another password than the one that was refused.
func (s *session) renew(ctx context.Context, said *refusal) (changed, hope bool) {
	now, hope, err := s.route.Passwords.Renew(ctx, said.user, said.used)
	if err != nil {
		s.log.Warn("password refused, and not read anew", "error", err)
		return false, false
	}
	changed = now.Reveal() != said.used.Reveal()
	return changed, hope || changed
}

// pauseWithin waits for d and a little more, so that a burst of clients does not come
// back at once. It returns false at once where ctx would end before, and when ctx ends.
func pauseWithin(ctx context.Context, d time.Duration) bool {
	d += rand.N(d / 8)
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= d {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
