package tunnel

import (
	"cmp"
	"slices"
	"time"

	"github.com/pgkeyless/pgkeyless/tunnel/datachannel"
)

// State is where a session stands, as far as its clients notice.
type State string

// The states, in the order of a life; ready and resuming may alternate.
const (
	StateStarting State = "starting" // not carrying streams yet
	StateReady    State = "ready"
	StateResuming State = "resuming" // without websocket: streams wait
	StateRetired  State = "retired"  // carries its streams on, takes no new ones
	StateEnding   State = "ending"
)

// SessionSnapshot is one SSM session at one moment. Counters run over its whole
// life; bytes are those of streams, messages those of the data channel that
// carry data or control, each counted once.
type SessionSnapshot struct {
	ID       string // as Systems Manager knows it; "" while starting
	JumpHost string
	Address  string // "host:port" behind the jump host
	State    State
	Retired  string // why it takes no new streams; "": it does
	Agent    string // version of the SSM agent
	Age      time.Duration

	Streams int // open ones
	Waiting int // streams to which the database has not answered yet

	BytesOut, BytesIn       int64
	MessagesOut, MessagesIn int64
	Resends                 int64 // messages sent again
	Duplicates              int64 // messages that came again
	Gaps                    int64 // times that later messages came first
	Resumes                 int64 // websockets after the first
	Outages                 int64 // websockets lost
	Resent                  int64 // bytes of messages that were sent again

	Recent         int64         // bytes both ways in the last two seconds
	RoundTrip      time.Duration // to the agent and back, smoothed
	Window         int           // bytes that may be under way
	Unacknowledged int           // bytes under way
	Silent         time.Duration // how long the agent owes an answer or is out of reach
}

// Snapshot returns all sessions, ordered by address, the oldest first.
func (d *Dialer) Snapshot() []SessionSnapshot {
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []SessionSnapshot
	for address, g := range d.groups {
		for _, s := range g.sessions {
			all = append(all, s.snapshot(now))
		}
		for _, st := range g.starts {
			all = append(all, SessionSnapshot{JumpHost: d.cfg.Target, Address: address, State: StateStarting, Age: now.Sub(st.began)})
		}
	}
	slices.SortStableFunc(all, func(a, b SessionSnapshot) int {
		return cmp.Or(cmp.Compare(a.Address, b.Address), cmp.Compare(b.Age, a.Age), cmp.Compare(a.ID, b.ID))
	})
	return all
}

// snapshot is the session now. Dialer.mu is held.
func (s *session) snapshot(now time.Time) SessionSnapshot {
	m, c := s.mux.Stats(), s.channel.Stats()
	out := SessionSnapshot{
		ID:             s.id,
		JumpHost:       s.place.target,
		Address:        s.place.address,
		State:          StateReady,
		Retired:        s.retired,
		Agent:          c.AgentVersion,
		Age:            now.Sub(s.started),
		Streams:        m.Streams,
		Waiting:        m.Waiting,
		BytesOut:       m.Sent,
		BytesIn:        m.Received,
		MessagesOut:    c.MessagesOut,
		MessagesIn:     c.MessagesIn,
		Resends:        c.Resends,
		Duplicates:     c.Duplicates,
		Gaps:           c.Gaps,
		Resumes:        c.Resumes,
		Outages:        c.Outages,
		Resent:         c.Resent,
		Recent:         c.Recent,
		RoundTrip:      c.RoundTrip,
		Window:         c.Window,
		Unacknowledged: c.Unacknowledged,
		Silent:         c.Silent,
	}
	switch {
	case s.leaving || c.State == datachannel.StateEnded:
		out.State = StateEnding
	case c.State == datachannel.StateResuming:
		out.State = StateResuming
	case s.retired != "":
		out.State = StateRetired
	}
	return out
}
