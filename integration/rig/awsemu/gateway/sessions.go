package gateway

import (
	"context"
	"slices"
	"time"
)

// State is a session's state as DescribeSessions spells it.
type State string

const (
	Connecting   State = "Connecting"   // started, no client has come yet
	Connected    State = "Connected"    // a client is on the data channel
	Disconnected State = "Disconnected" // the client has gone and may resume
	Terminated   State = "Terminated"
)

// How a session ends.
const (
	EndFlag      = "client flag"      // the client's TerminateSession flag
	EndAPI       = "TerminateSession" // the API call
	EndIdle      = "idle timeout"
	EndDuration  = "maximum duration"
	EndAgent     = "agent failure" // resolve, deny list, handshake, mux
	EndOperator  = "operator"      // Gateway.TerminateSession
	EndEmulation = "emulator closed"
)

// Session is a snapshot of one SSM session.
type Session struct {
	ID       string
	Target   string
	Document string
	Host     string // as asked for; empty for the document without host
	Port     string
	Reason   string // as given to StartSession
	Owner    string // ARN of the caller of StartSession
	State    State
	Started  time.Time
	Ended    time.Time // zero while live

	// Ending says how it ended: one of the End constants, "" while live.
	Ending string
	Output string // what channel_closed told the client

	ClientID      string // of the open message
	ClientVersion string // of the HandshakeResponse
	Connections   int    // websockets that opened the data channel
	Resumes       int    // ResumeSession calls answered with a token
	Dials         int    // dials made by the agent
	Streams       int    // streams accepted by the agent
	OpenStreams   int    // streams being carried now
	BytesIn       int64  // payload bytes taken from the client by the agent's port plugin
	BytesOut      int64  // payload bytes sent to the client, resends not counted
	MessagesIn    int64  // messages of every kind from the client, acknowledgements and resends included
	MessagesOut   int64  // messages of every kind given to the client, likewise
}

// Sessions are all sessions since Start, oldest first.
func (g *Gateway) Sessions() []Session {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := make([]Session, len(g.order))
	for i, s := range g.order {
		all[i] = s.info
		all[i].BytesIn, all[i].BytesOut = s.bytesIn.Load(), s.bytesOut.Load()
		all[i].MessagesIn, all[i].MessagesOut = s.taken.Load(), s.given.Load()
	}
	return all
}

// OpenSessions is the number of sessions that have not ended.
func (g *Gateway) OpenSessions() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := 0
	for _, s := range g.order {
		if s.live() {
			n++
		}
	}
	return n
}

// AllEnded is for Await: no session is live.
func AllEnded(sessions []Session) bool {
	return !slices.ContainsFunc(sessions, func(s Session) bool { return s.Ended.IsZero() })
}

// Await waits until ok holds for the Sessions, which it is asked about at once
// and after every change of a session's state, connection, stream or dial
// count, and every violation. It returns ctx's error when ctx ends first.
func (g *Gateway) Await(ctx context.Context, ok func([]Session) bool) error {
	for {
		g.mu.Lock()
		change := g.change
		g.mu.Unlock()
		if ok(g.Sessions()) {
			return nil
		}
		select {
		case <-change:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
