package gateway

import (
	"log/slog"
	"time"
)

const (
	// agentPace is how long the genuine agent sleeps after each output message.
	agentPace = time.Millisecond

	// farBehind is a client that has so many messages to acknowledge. The genuine agent
	// sends on, and is slow enough; one without a pace would fill the sockets in between
	// with more than a starved client reads in ten seconds, and acknowledgements of its
	// uploads would come behind that.
	farBehind = 256
)

// Config says what can be reached and how agent and service behave. The zero value
// works.
//
// For every duration zero means the default, and a negative value means none:
// no pace, no delay, no time limit.
type Config struct {
	Log *slog.Logger // default: discards

	// Hosts is the name service and the network of every jump host:
	// "host:port" or "host", in lower case, to the real "127.0.0.1:port" or
	// "127.0.0.1". An IP address may be reached without an entry; any other
	// name without one does not resolve.
	Hosts map[string]string

	AgentVersion    string        // default 3.3.1142.0; older ones do what they did
	MuxTimeout      time.Duration // of smux keepalive, where it is on: silence for so long ends the mux; default 30 s
	CustomerMessage string        // sent in HandshakeComplete
	Pace            time.Duration // the agent's sleep after each output message; default agentPace
	PluginDelay     time.Duration // from HandshakeComplete until data is taken, refused before; default 5 ms
	HandshakeLimit  time.Duration // wait for the HandshakeResponse; default 15 s
	StartDelay      time.Duration // from the client's open message to the agent's first word; default none

	// WorkerStart is how long the n-th worker of a jump host takes to start, n from 1,
	// when no other starts beside it: each session has one, a process of its own, and
	// those that start together share the host's processor. It comes before
	// StartDelay; default none. Genuine ones take 0.5 to 15 s.
	WorkerStart func(n int) time.Duration

	// MessageCost is what each message that a worker takes or sends costs of its jump
	// host's processor, which all workers share; default none. Genuine ones take some
	// 0.4 ms for a message and as much for its acknowledgement.
	MessageCost time.Duration

	// LateSwitch makes the agent acknowledge the first data after
	// HandshakeComplete and throw it away, as the genuine one does when data
	// comes before its own switch is set.
	LateSwitch bool

	TokenLife   time.Duration // default 60 s
	IdleTimeout time.Duration // default 20 min without input; counts from the client's coming, as the next
	MaxDuration time.Duration // default none

	// DropWhileAbsent makes the service throw away what the agent sends while
	// the client is absent; otherwise it is kept for the client's return.
	DropWhileAbsent bool
	PauseAfter      time.Duration // from the client's leaving to pause_publication for the agent; default at once
	NeverPause      bool          // no pause_publication for the agent
	NoReack         bool          // do not acknowledge old input again, as agents before 3.2.1041.0
	CheckDigests    bool          // the agent drops input with a wrong digest; the genuine one does not look
	IgnorePings     bool          // answer no websocket ping
	SilentRefusal   bool          // a wrong token is met with silence in place of close code 1008
	FullHeaderClose bool          // channel_closed with a 116-byte header in place of the service's 112

	// AllowUnsigned accepts a websocket upgrade without a signature, as older
	// plugins make it. A wrong signature is refused all the same.
	AllowUnsigned bool

	// OfficialClient tolerates what the genuine plugin is known to do wrong
	// (see doc.go).
	OfficialClient bool

	MaxPayload int           // largest input payload that is no violation; default 1024
	Window     int           // most unacknowledged input bytes that are no violation; default 4 MiB
	AckWithin  time.Duration // time to acknowledge a delivered message; default 1 s
}

// withDefaults fills in the defaults; none becomes zero.
func (c Config) withDefaults() Config {
	span := func(p *time.Duration, def time.Duration) {
		switch {
		case *p == 0:
			*p = def
		case *p < 0:
			*p = 0
		}
	}
	if c.AgentVersion == "" {
		c.AgentVersion = "3.3.1142.0"
	}
	span(&c.Pace, agentPace)
	span(&c.MuxTimeout, 30*time.Second)
	span(&c.PluginDelay, 5*time.Millisecond)
	span(&c.HandshakeLimit, 15*time.Second)
	span(&c.StartDelay, 0)
	span(&c.TokenLife, time.Minute)
	span(&c.IdleTimeout, 20*time.Minute)
	span(&c.MaxDuration, 0)
	span(&c.AckWithin, time.Second)
	if compareVersions(c.AgentVersion, agentReacksFrom) < 0 {
		c.NoReack = true
	}
	if c.MaxPayload == 0 {
		c.MaxPayload = maxChunk
	}
	if c.Window == 0 {
		c.Window = 4 << 20
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}
