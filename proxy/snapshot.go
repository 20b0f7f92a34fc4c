package proxy

import (
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// Why connections ended before they had sent a StartupMessage or CancelRequest
// that can be read: the keys of Snapshot.Unstarted.
const (
	UnstartedBarred   = "barred"   // a CancelRequest of a client that Config.Admit refuses
	UnstartedClosed   = "closed"   // by the client, as port scanners and health checks do
	UnstartedCrowded  = "crowded"  // to make room: see maxLobby
	UnstartedHTTP     = "http"     // a browser, say
	UnstartedOverdue  = "overdue"  // nothing whole was sent within Config.LoginTimeout
	UnstartedProtocol = "protocol" // no PostgreSQL protocol of version 3, or a malformed packet
	UnstartedShutdown = "shutdown"
	UnstartedTLS      = "tls" // a handshake that failed, or one for another protocol
)

// UnstartedReasons are all of them.
var UnstartedReasons = [...]string{UnstartedBarred, UnstartedClosed, UnstartedCrowded, UnstartedHTTP, UnstartedOverdue, UnstartedProtocol,
	UnstartedShutdown, UnstartedTLS}

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
	CancelsUnknown int64            // others

	// BytesUp and BytesDown are what sessions carried to the database and to the
	// client after ReadyForQuery, running ones included.
	BytesUp, BytesDown int64

	// Routes are the same by Route, ordered by name. One without a name is there
	// when connections to a shared listener ended before they named a Route.
	Routes []RouteSnapshot
}

// Snapshot returns the counters of this moment.
func (s *Server) Snapshot() Snapshot {
	t := &s.tally
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now
	now.Unstarted, now.FailedLogins = maps.Clone(now.Unstarted), maps.Clone(now.FailedLogins)
	byName := map[string]*RouteSnapshot{}
	for _, name := range slices.Sorted(maps.Keys(t.accounts)) {
		now.Routes = append(now.Routes, t.accounts[name].snapshot())
	}
	for i := range now.Routes {
		byName[now.Routes[i].Name] = &now.Routes[i]
	}
	for _, s := range t.sessions {
		up, down := s.traffic.up.Load(), s.traffic.down.Load()
		now.BytesUp, now.BytesDown = now.BytesUp+up, now.BytesDown+down
		of := byName[s.account.Name]
		of.BytesUp, of.BytesDown = of.BytesUp+up, of.BytesDown+down
	}
	return now
}

// tally keeps a Snapshot up to date. It is safe for concurrent use.
type tally struct {
	mu       sync.Mutex
	now      Snapshot // but for Routes, and for bytes of running sessions
	accounts map[string]*account
	sessions map[uint64]*entry
}

// serve settles which Routes have an account; others lose theirs when their last
// session ends.
func (t *tally) serve(routes []*served) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, a := range t.accounts {
		a.kept = false
	}
	for _, r := range routes {
		t.account(r.Name).kept = true
	}
	for _, a := range t.accounts {
		t.settle(a)
	}
}

// account is that of a Route; mu is held.
func (t *tally) account(name string) *account {
	a := t.accounts[name]
	if a == nil {
		if t.accounts == nil {
			t.accounts = map[string]*account{}
		}
		a = newAccount(name)
		t.accounts[name] = a
	}
	return a
}

// settle drops an account that nobody needs; mu is held.
func (t *tally) settle(a *account) {
	if !a.kept && a.Starting+a.Active == 0 && a.Name != "" {
		delete(t.accounts, a.Name)
	}
}

// accepted notes a connection.
func (t *tally) accepted(e *entry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.now.Accepted++
	t.now.Open++
	t.now.Starting++
	if t.sessions == nil {
		t.sessions = map[uint64]*entry{}
	}
	t.sessions[e.ID] = e
	e.account = t.account("")
	e.account.Accepted++
	e.account.Starting++
}

// led moves a connection to the account of a Route.
func (t *tally) led(e *entry, route string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e.account.Accepted--
	e.account.Starting--
	e.Route = route
	e.account = t.account(route)
	e.account.Accepted++
	e.account.Starting++
}

// edit changes what is known of a session.
func (t *tally) edit(e *entry, f func(*SessionSnapshot)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f(&e.SessionSnapshot)
}

// loggedIn notes a login that began then.
func (t *tally) loggedIn(e *entry, w *stopwatch, began, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.now.Logins++
	t.now.Starting--
	e.LoggedIn = now
	e.account.loggedIn(w, began, now)
}

func (t *tally) retried(e *entry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.now.Retries++
	e.account.Retries++
}

// closed is the last report about a connection.
func (t *tally) closed(e *entry, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.sessions, e.ID)
	t.now.Open--
	a := e.account
	if e.LoggedIn.IsZero() {
		t.now.Starting--
		a.Starting--
	} else {
		up, down := e.traffic.up.Load(), e.traffic.down.Load()
		t.now.BytesUp, t.now.BytesDown = t.now.BytesUp+up, t.now.BytesDown+down
		a.BytesUp, a.BytesDown = a.BytesUp+up, a.BytesDown+down
		a.Active--
		a.SessionTimes.observe(now.Sub(e.LoggedIn))
	}
	t.settle(a)
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

// accountOf is that of a Route, for what may outlast it; nil when it is not served.
func (t *tally) accountOf(route string) *account {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.accounts[route]
}

// ready counts ready logins in a, which may be nil.
func (t *tally) ready(a *account, count func(*RouteSnapshot)) {
	if a == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	count(&a.RouteSnapshot)
}

// failure is why a connection will not be logged in.
type failure struct {
	named bool  // there was a StartupMessage
	err   error // what went wrong
	why   error // why its client's login ended
	probe bool  // the client only asked whether there is a server
	stage Stage
}

// refused notes a connection that will not be logged in.
func (t *tally) refused(e *entry, f failure, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !f.named {
		count(&t.now.Unstarted, unstarted(f.err, f.why))
		return
	}
	if errors.Is(f.why, errClientGone) {
		t.now.ClientsLeft++
	} else {
		count(&t.now.FailedLogins, class(state(f.why)))
	}
	e.account.refused(f, now)
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
	case errors.As(why, new(*barred)):
		return UnstartedBarred
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
