package proxy

import (
	"errors"
	"maps"
	"sync"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// Why connections ended before they had sent a StartupMessage or CancelRequest
// that can be read: the keys of Snapshot.Unstarted.
const (
	UnstartedClosed   = "closed"   // by the client, as port scanners and health checks do
	UnstartedCrowded  = "crowded"  // to make room: see maxLobby
	UnstartedHTTP     = "http"     // a browser, say
	UnstartedOverdue  = "overdue"  // nothing whole was sent within Config.LoginTimeout
	UnstartedProtocol = "protocol" // no PostgreSQL protocol of version 3, or a malformed packet
	UnstartedShutdown = "shutdown"
	UnstartedTLS      = "tls" // a handshake that failed, or one for another protocol
)

// Snapshot is what a Server has seen since it was made. Each connection that was
// accepted is either among the open ones, or ended in exactly one of the ways
// that are counted below them; a session that logged in and has ended is the
// rest.
type Snapshot struct {
	Accepted int64 // connections taken from the listeners
	Open     int64 // connections not closed yet
	Starting int64 // open connections that are not logged in, cancel requests among them
	Logins   int64 // times that a client was sent ReadyForQuery
	Retries  int64 // logins repeated after a Refusal that may pass

	Unstarted      map[string]int64 // by reason, which is one of the constants
	FailedLogins   map[string]int64 // by class of SQLSTATE, its first two characters
	ClientsLeft    int64            // closed by the client during login
	CancelsKnown   int64            // cancel requests with a key that a client had been told
	CancelsUnknown int64            // others, for which nobody is dialled

	// BytesUp and BytesDown are what sessions that have ended carried to the
	// database and to the client after ReadyForQuery.
	BytesUp, BytesDown int64
}

// Snapshot returns the counters of this moment.
func (s *Server) Snapshot() Snapshot {
	s.tally.mu.Lock()
	defer s.tally.mu.Unlock()
	now := s.tally.now
	now.Unstarted, now.FailedLogins = maps.Clone(now.Unstarted), maps.Clone(now.FailedLogins)
	return now
}

// tally keeps a Snapshot up to date. It is safe for concurrent use.
type tally struct {
	mu  sync.Mutex
	now Snapshot
}

func (t *tally) accepted() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.now.Accepted++
	t.now.Open++
	t.now.Starting++
}

func (t *tally) loggedIn() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.now.Logins++
	t.now.Starting--
}

func (t *tally) retried() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.now.Retries++
}

// carried is for a session that has logged in and ends.
func (t *tally) carried(up, down int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.now.BytesUp += up
	t.now.BytesDown += down
}

// closed is the last that is told of a connection.
func (t *tally) closed(loggedIn bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.now.Open--
	if !loggedIn {
		t.now.Starting--
	}
}

func (t *tally) cancel(known bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if known {
		t.now.CancelsKnown++
	} else {
		t.now.CancelsUnknown++
	}
}

// refused is for a connection that will not be logged in: err is what went wrong
// and why its cause. named says that there was a StartupMessage.
func (t *tally) refused(named bool, err, why error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case !named:
		count(&t.now.Unstarted, unstarted(err, why))
	case errors.Is(why, errClientGone):
		t.now.ClientsLeft++
	default:
		count(&t.now.FailedLogins, class(state(why)))
	}
}

// class is that of an SQLSTATE, and of no other text that a database may say.
func class(state string) string {
	for _, r := range state[:2] {
		if (r < '0' || r > '9') && (r < 'A' || r > 'Z') {
			return class(stateInternal)
		}
	}
	return state[:2]
}

func count(m *map[string]int64, key string) {
	if *m == nil {
		*m = make(map[string]int64)
	}
	(*m)[key]++
}

// unstarted is the reason that is counted.
func unstarted(err, why error) string {
	var quiet *silent
	switch {
	case errors.Is(why, errCrowded):
		return UnstartedCrowded
	case errors.Is(why, causes.ShuttingDown):
		return UnstartedShutdown
	case errors.Is(why, causes.LoginOverdue):
		return UnstartedOverdue
	case errors.Is(err, errClientGone):
		return UnstartedClosed
	case errors.Is(err, errHTTP):
		return UnstartedHTTP
	case errors.As(err, &quiet) && quiet.handshake:
		return UnstartedTLS
	}
	return UnstartedProtocol
}
