package proxy

import (
	"context"
	"errors"
	"time"
)

// Alternative is another way to make tokens for a Route's database, such as for the name
// that it has after a blue/green switchover.
type Alternative struct {
	Tokens TokenSource
	// For says what is different, for the log: an endpoint, a region.
	For string
	// Keep is called when the database has accepted such a token. It must not block.
	Keep func()
}

// alternative is that of the Route after a login that began at since and ended with err, if
// that is a refusal of which the client has heard nothing yet.
func (r *Route) alternative(ctx context.Context, err error, since time.Time) (Alternative, bool) {
	var said *refusal
	if r.Alternative == nil || !errors.As(err, &said) || !said.early() || ctx.Err() != nil || r.ordinaryFor(said.user) != nil {
		return Alternative{}, false
	}
	ctx, cancel := context.WithTimeout(ctx, explainTimeout)
	defer cancel()
	return r.Alternative(ctx, said.asks(), since)
}

// tokenAccepted says of how a login ended that its token was good: what else the database
// refused, it checks later.
func tokenAccepted(err error) bool {
	var said *refusal
	switch {
	case err == nil:
		return true
	case !errors.As(err, &said):
		return false
	}
	return !said.early() || said.code == "3D000" || said.code == stateNotPermitted
}

// otherwise repeats a login that ended with err by the Route's Alternative. Where that
// token is not accepted either, err says more.
func (s *session) otherwise(ctx context.Context, err error) (*upstream, error) {
	since := s.asked
	if s.again != nil {
		since = s.again.began
	}
	other, ok := s.route.alternative(ctx, err, since)
	if !ok {
		return nil, err
	}
	s.server.tally.retried(s.entry)
	s.log.Info("login refused, trying once more with a token for another name or region", "signed_for", other.For,
		"sqlstate", state(err), "error", err)
	before, route := s.route, *s.route
	route.Tokens = other.Tokens
	s.route = &route
	up, again := s.withRoom(ctx, s.unguessed)
	if !s.letIn && !tokenAccepted(again) {
		s.route = before
		return nil, err
	}
	other.Keep()
	return up, again
}
