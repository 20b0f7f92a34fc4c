package proxy

import (
	"context"
	"errors"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// helloPatience is how long a server has for its half of a handshake that it may not
// understand: many round trips, and a fraction of what a login may take.
const helloPatience = 5 * time.Second

// Negotiation finds out how TLS with one server begins: with the handshake at once, which
// saves a round trip and takes PostgreSQL 17 or a server like it, or behind an SSLRequest.
// It begins with what worked last, the handshake at first, and takes the other way where
// the server does not understand that. Certificates are verified either way.
//
// The zero value is ready. It is safe for concurrent use.
type Negotiation struct{ requests atomic.Bool }

// open connects to the database at address. ctx bounds all of it.
func (r *Route) open(ctx context.Context, address string, patience time.Duration, watch *stopwatch) (*upstream, error) {
	n := r.Negotiation
	if n == nil {
		return r.openOneWay(ctx, address, patience, watch)
	}
	request := n.requests.Load()
	up, first := r.beginning(request).openOneWay(ctx, address, patience, watch)
	if first == nil || !notUnderstood(first) || ctx.Err() != nil {
		return up, first
	}
	up, second := r.beginning(!request).openOneWay(ctx, address, patience, watch)
	switch {
	case second == nil:
		n.requests.Store(!request)
	case request: // what came of the SSLRequest tells more
		return nil, first
	}
	return up, second
}

// beginning is r with the one way to begin.
func (r *Route) beginning(request bool) *Route {
	one := *r
	one.DirectTLS = !request
	return &one
}

// hasty bounds a handshake for which there is another way.
func (r *Route) hasty(ctx context.Context) (context.Context, context.CancelFunc) {
	if r.Negotiation == nil || !r.DirectTLS {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, helloPatience)
}

// notUnderstood reports whether err may come of the way to begin: the server closes,
// answers with an alert or something else, or waits for more. A certificate that is not
// right, and a dial that fails, are none of it.
func notUnderstood(err error) bool {
	for _, c := range []causes.Cause{causes.DirectTLSUnsupported, causes.TLSRefused, causes.NotPostgreSQL} {
		if errors.Is(err, c) {
			return true
		}
	}
	return errors.Is(err, errClosed) || errors.Is(err, syscall.ECONNRESET)
}
