package datachannel

import "time"

// State is where a Conn stands in its life.
type State int

// The states, in the order of a life; resuming and carrying may alternate.
const (
	StateConnecting State = iota // waiting for the first transport
	StateHandshake               // waiting for HandshakeRequest, then HandshakeComplete
	StateProbing                 // waiting for the acknowledge of the first NOP
	StateCarrying                // streams are carried
	StateResuming                // the transport is lost, waiting for the next
	StateEnded                   // Run has returned, or is about to
)

func (s State) String() string {
	switch s {
	case StateConnecting:
		return "connecting"
	case StateHandshake:
		return "handshake"
	case StateProbing:
		return "probing"
	case StateCarrying:
		return "carrying"
	case StateResuming:
		return "resuming"
	default:
		return "ended"
	}
}

// Stats is a snapshot of a Conn. Bytes are payload of stream data; counters
// run over all transports of the session.
type Stats struct {
	State        State
	AgentVersion string // "" before the handshake

	BytesOut, BytesIn       int64 // stream bytes, each counted once
	MessagesOut, MessagesIn int64 // data messages, each counted once
	Acknowledges            int64 // acknowledges written

	Resends    int64 // messages written again
	Resent     int64 // bytes of those, as they went out
	Duplicates int64 // messages of the agent that were here already
	Early      int64 // messages of the agent that came before their turn
	Gaps       int64 // times that one of them was missing behind such
	BadDigests int64 // messages dropped because their digest was wrong
	Malformed  int64 // messages dropped because they could not be read

	Missing        int64         // messages of the agent that others have overtaken, now
	RoundTrip      time.Duration // smoothed; 0 before the first sample
	Window         int           // bytes that may be under way, now
	Unacknowledged int           // bytes under way, now
	Resumes        int64         // transports after the first
	Outages        int64         // times that a transport was lost; each is followed by a resume or by the end
	Recent         int64         // stream bytes both ways in the last two seconds

	// Silent is how long the agent has been owing an answer, or out of reach: the
	// age of the oldest message under way, or the time without a transport that has
	// brought a word of it.
	Silent time.Duration
}

// Stats is a snapshot.
func (c *Conn) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.State = c.stateLocked()
	s.AgentVersion = c.agentVersion
	s.Missing = c.reorder.missing()
	s.RoundTrip = c.window.rto.smoothed
	s.Window = c.window.pace.limit
	s.Unacknowledged = c.window.bytes
	now := time.Now()
	s.Recent = c.traffic.recent(now)
	s.Silent = c.silent(now)
	return s
}

// stateLocked puts the phase of the session and the transport's into one.
func (c *Conn) stateLocked() State {
	switch {
	case c.err != nil:
		return StateEnded
	case c.attached:
		return c.phase
	case c.connected.IsZero():
		return StateConnecting
	default:
		return StateResuming
	}
}

// silent is Stats.Silent. c.mu is held.
func (c *Conn) silent(now time.Time) time.Duration {
	switch {
	case !c.away.IsZero():
		return now.Sub(c.away)
	case !c.attached:
		return 0 // the first is still to come
	}
	return now.Sub(c.window.since(c.connected, now))
}
