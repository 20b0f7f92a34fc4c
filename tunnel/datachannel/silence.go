package datachannel

import "time"

const (
	// speaksWithin: an agent that spoke within this time goes on speaking.
	speaksWithin = 4 * time.Second

	// aliveWithin: a transport with a sign of life within this time works. Beside
	// unanswered messages a websocket is pinged every four seconds or so.
	aliveWithin = 6 * time.Second

	// stallable unanswered bytes may fill what an agent holds for its targets, 4
	// MiB. While a target takes nothing it then acknowledges nothing, for any
	// stream, and is as well as can be.
	stallable = 3 << 20
)

// hopeless: the agent is silent, or its messages are lost for good. c.mu is
// held.
func (c *Conn) hopeless(now time.Time) error {
	if err := c.gap(now); err != nil {
		return err
	}
	if at := c.silentAt(now); !at.IsZero() && !now.Before(at) {
		return ErrPeerSilent
	}
	return nil
}

// silentAt is when the agent counts as gone unless it acknowledges the oldest
// message; zero: there is no such time. c.mu is held.
func (c *Conn) silentAt(now time.Time) time.Time {
	if c.window.deadline(c.connected, 0).IsZero() {
		return time.Time{}
	}
	return c.window.deadline(c.connected, c.patience(now))
}

// patience is how long the oldest message may stay without acknowledge.
//
// It is short only when nothing but the agent's end explains the silence: streams
// are carried (before, the agent may wait for a resolver), the service does not
// say that the agent is away, the agent says nothing at all, no target can have
// stalled it, and the transport is known to work, for a dead one is for its
// owner to notice and costs no session. c.mu is held.
func (c *Conn) patience(now time.Time) time.Duration {
	switch {
	case c.phase != StateCarrying,
		!c.paused.IsZero(),
		c.speaks(now),
		now.Sub(c.alive) >= aliveWithin,
		c.cfg.Stream.Unanswered() >= stallable:
		return c.cfg.StallTimeout
	}
	return c.cfg.PeerTimeout
}

// speaks: the agent goes on speaking. c.mu is held.
func (c *Conn) speaks(now time.Time) bool { return now.Sub(c.spoke) < speaksWithin }
