package proxy

import (
	"context"
	"errors"
	"slices"
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
	pace    pace         // of those that are repeated
	// replaced says that clients do not come this way any more.
	replaced atomic.Bool
	told     tellings // about its logins
}

// tellings are lines of the log that need no repetition. The zero value is ready; it is
// safe for concurrent use.
type tellings struct {
	mu   sync.Mutex
	said []string
}

// maxTellings bounds how many are remembered, since clients choose the names of their
// parameters. When there are more, the log is told nothing.
const maxTellings = 32

// first says that line has not been told before.
func (t *tellings) first(line string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if slices.Contains(t.said, line) || len(t.said) == maxTellings {
		return false
	}
	t.said = append(t.said, line)
	return true
}

// learn notes what a login shows of its Route, and tells the log what people should know of
// it, once.
func (s *Server) learn(to *served, l *login) {
	log := s.log.With("route", to.Name)
	if !l.keyed && to.told.first("keyless") {
		log.Info("the server sends no cancel keys, so its clients cannot cancel queries", "hint", keylessHint)
	}
	o, p := l.opening, l.route.Pooler
	if len(o.settings) > 0 && to.told.first("pinned") {
		log.Info("start-up parameters are set after the login, which pins the session to one database connection",
			"server", p.Name, "parameters", o.setNames())
	}
	if names := parameterNames(o.guards); len(o.guards) > 0 && to.told.first("guards "+names) {
		log.Warn("clients lose these parameters by RESET ALL and DISCARD ALL, which some connection pools send",
			"server", p.Name, "parameters", names, "hint", guardsHint)
	}
	if names := parameterNames(o.dropped); len(o.dropped) > 0 && to.told.first("dropped "+names) {
		log.Warn("start-up parameters dropped", "server", p.Name, "parameters", names)
	}
}

// keylessHint is what to do in place of a cancel request.
const keylessHint = "use statement-timeout to end long statements"

// guardsHint is how a Route's settings outlast a reset.
const guardsHint = "set the same values with ALTER ROLE … SET at the database, where RESET restores them"

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
