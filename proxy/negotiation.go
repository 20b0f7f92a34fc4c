package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

const (
	// helloPatience is how long a server has for its half of a handshake that it may not
	// understand: many round trips, and a fraction of what a login may take.
	helloPatience = 5 * time.Second

	// negotiationMemory is how long a login begins as the last one had to. A server that
	// was misunderstood costs its logins a round trip for that long, and one that does not
	// know direct TLS one login a second connection as often.
	negotiationMemory = 5 * time.Minute
)

// Negotiation finds out how TLS with one server begins: with the handshake at once, which
// saves a round trip and takes PostgreSQL 17 or a server like it, or behind an SSLRequest.
// It begins with the handshake, and takes the other way where the server does not
// understand that. What worked is remembered for some minutes; within these, a connection
// that breaks off, or has no answer, is the network's fault and no reason for a second one.
// Certificates are verified either way.
//
// The zero value is ready. It is safe for concurrent use.
type Negotiation struct {
	mu      sync.Mutex
	request bool      // the server wants an SSLRequest
	known   time.Time // when the handshake last worked, or last did not
}

// way says how a login begins now, and whether the server is known to want that. When an
// SSLRequest has been sent for negotiationMemory, one login finds out again.
func (n *Negotiation) way(now time.Time) (request, sure bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	sure = now.Sub(n.known) < negotiationMemory
	if n.request && !sure {
		n.known = now // for all others
		return false, false
	}
	return n.request, sure
}

// learn notes that the handshake works, or that an SSLRequest does where it does not.
func (n *Negotiation) learn(request bool, now time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.request, n.known = request, now
}

// open connects to the database at address. ctx bounds all of it.
func (r *Route) open(ctx context.Context, address string, patience time.Duration, watch *stopwatch) (*upstream, error) {
	n := r.Negotiation
	if n == nil {
		return r.openOneWay(ctx, address, patience, watch)
	}
	request, sure := n.way(time.Now())
	up, first := r.beginning(request, sure).openOneWay(ctx, address, patience, watch)
	if first == nil {
		if !request { // that SSLRequests still work says nothing about the handshake
			n.learn(false, time.Now())
		}
		return up, nil
	}
	if !notUnderstood(first) || sure && brokenOff(first) || ctx.Err() != nil {
		return nil, first
	}
	up, second := r.beginning(!request, sure).openOneWay(ctx, address, patience, watch)
	switch {
	case second == nil:
		n.learn(!request, time.Now())
	case request: // what came of the SSLRequest tells more
		return nil, first
	}
	return up, second
}

// beginning is r with the one way to begin. Where the server is known to want one, it has
// all the time of the login for it.
func (r *Route) beginning(request, sure bool) *Route {
	one := *r
	one.DirectTLS = !request
	if sure {
		one.Negotiation = nil
	}
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

// brokenOff reports whether err, which is notUnderstood, may as well come of the way to the
// server: a reset or silence in place of an answer. A server that reads what it does not
// understand closes in good order.
func brokenOff(err error) bool {
	return errors.As(err, new(*net.OpError)) && !alerted(err) || errors.As(err, new(syscall.Errno)) ||
		errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, io.ErrUnexpectedEOF)
}
