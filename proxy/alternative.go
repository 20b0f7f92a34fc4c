package proxy

import (
	"context"
	"errors"
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

// alternative is that of the Route after err, if err is a refusal of which the client has
// heard nothing yet.
func (r *Route) alternative(ctx context.Context, err error) (Alternative, bool) {
	var said *refusal
	if r.Alternative == nil || !errors.As(err, &said) || !said.early() || ctx.Err() != nil || r.ordinaryFor(said.user) != nil {
		return Alternative{}, false
	}
	ctx, cancel := context.WithTimeout(ctx, explainTimeout)
	defer cancel()
	return r.Alternative(ctx, said.asks())
}

// otherwise repeats a login that ended with err by the Route's Alternative. Where that is
// refused alike, it was not the token, and err says more.
func (s *session) otherwise(ctx context.Context, err error) (*upstream, error) {
	other, ok := s.route.alternative(ctx, err)
	if !ok {
		return nil, err
	}
	s.server.tally.retried(s.entry)
	s.log.Info("login refused, trying once more with a token for another name or region", "signed_for", other.For,
		"sqlstate", state(err), "error", err)
	before, route := s.route, *s.route
	route.Tokens = other.Tokens
	s.route = &route
	up, again := s.inTurn(ctx, s.unguessed)
	if state(again) == state(err) {
		s.route = before
		return nil, err
	}
	if again == nil || errors.As(again, new(*refusal)) {
		other.Keep()
	}
	return up, again
}
