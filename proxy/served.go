package proxy

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// served is a Route that a Server serves, with what its logins have shown. It is
// safe for concurrent use.
type served struct {
	Route
	guesses guesses
	byScram sync.Map     // users with an ordinary password who logged in by SCRAM
	stale   atomic.Bool  // as Route.Resolve is told
	pauses  atomic.Int64 // Route.PausesAfter, as last resolved
	turns   lines        // of its logins
	// replaced says that clients do not come this way any more.
	replaced atomic.Bool
}

// resolved is the Route for one login.
func (s *served) resolved(ctx context.Context) (*Route, error) {
	found, err := s.Route.resolved(ctx, s.stale.Load())
	if err == nil {
		s.pauses.Store(int64(found.PausesAfter))
	}
	return found, err
}

// outcome notes how a login went. A client that left says nothing about the
// database, nor do failures before it is reached, such as that of a jump host. A
// database that refuses is the right one.
func (s *served) outcome(ctx context.Context, err error) {
	switch {
	case errors.Is(context.Cause(ctx), errClientGone):
	case causes.Stale(err):
		s.stale.Store(true)
	case err == nil, errors.As(err, new(*refusal)):
		s.stale.Store(false)
	}
}
