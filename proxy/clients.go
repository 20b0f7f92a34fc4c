package proxy

import (
	"cmp"
	"context"
	"crypto/tls"
	"maps"
	"net"
	"slices"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// errDisconnected ends a session that Disconnect names.
var errDisconnected error = causes.Disconnected.New(nil, nil)

// SessionSnapshot is one open connection at one moment.
type SessionSnapshot struct {
	ID     uint64 // as in the log
	Route  string // "" while a client of a shared listener has not named it
	Client string // its address; of a Unix socket, the path
	Via    string // address of the balancer that has said so; "" without one
	Peer   string // whose process it is, as Config.Peer says; may be empty
	TLS    bool   // between client and proxy
	// Identity is who the client has proved to be; "" where nobody asked.
	Identity string
	// Proven says that Config.Proof has accepted the client, perhaps without a name for it.
	Proven bool
	// As is whose rights its login uses, where that is not the Route's own.
	As string

	// From the StartupMessage, as the database gets it: for people to recognize a
	// session by. Nothing else of it is kept.
	User, Database, ApplicationName string

	Began    time.Time // accept
	LoggedIn time.Time // zero before
	PID      uint32    // of the database's process; 0 where it has none
	Target   string    // "host:port" that was dialled

	BytesUp, BytesDown int64 // after ReadyForQuery
	// Asked says that the last bytes were the client's: the database has not
	// answered yet.
	Asked bool
}

// entry is a session as others see it. tally.mu guards it, but for traffic.
type entry struct {
	SessionSnapshot
	account *account
	traffic traffic
	end     context.CancelCauseFunc // ends the session; nil before it begins
}

// Sessions returns the open connections, the oldest first.
func (s *Server) Sessions() []SessionSnapshot {
	s.tally.mu.Lock()
	defer s.tally.mu.Unlock()
	all := make([]SessionSnapshot, 0, len(s.tally.sessions))
	for _, e := range slices.SortedFunc(maps.Values(s.tally.sessions), func(a, b *entry) int { return cmp.Compare(a.ID, b.ID) }) {
		now := e.SessionSnapshot
		now.BytesUp, now.BytesDown, now.Asked = e.traffic.up.Load(), e.traffic.down.Load(), e.traffic.asked.Load()
		all = append(all, now)
	}
	return all
}

// Disconnect ends the session with that ID, whose client gets an error that somebody
// asked for it. It does not wait for the end, and reports whether there was one.
func (s *Server) Disconnect(id uint64) bool {
	s.tally.mu.Lock()
	defer s.tally.mu.Unlock()
	e := s.tally.sessions[id]
	if e == nil || e.end == nil {
		return false
	}
	e.end(errDisconnected)
	return true
}

// vouched notes what the database's certificate was verified by.
func (t *tally) vouched(e *entry, state tls.ConnectionState) {
	var ends time.Time
	for _, chain := range state.VerifiedChains {
		if root := chain[len(chain)-1]; root.NotAfter.After(ends) {
			ends = root.NotAfter
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	e.account.RootExpires = ends
}

// allow lets Disconnect end e by end.
func (t *tally) allow(e *entry, end context.CancelCauseFunc) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e.end = end
}

// newEntry is for a connection that has been accepted.
func (s *Server) newEntry(id uint64, c net.Conn, now time.Time) *entry {
	e := &entry{SessionSnapshot: SessionSnapshot{ID: id, Began: now}}
	if a := c.RemoteAddr(); a != nil {
		e.Client = a.String()
	}
	if c.LocalAddr().Network() == "unix" {
		e.Client = c.LocalAddr().String()
	}
	if s.peer != nil {
		e.Peer = s.peer(c)
	}
	return e
}
