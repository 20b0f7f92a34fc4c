package datachannel

import (
	"fmt"
	"time"
)

const (
	// deafAfter without an acknowledge of the oldest message, while the agent goes
	// on speaking, means that the transport carries one way only. The session
	// would be given up at StallTimeout.
	deafAfter = 8 * time.Second

	// speaksWithin: an agent that spoke within this time goes on speaking.
	speaksWithin = 4 * time.Second

	// aliveWithin: a transport with a sign of life within this time works. Beside
	// unanswered messages a websocket is pinged every four seconds or so, and a
	// busy machine may be late for one.
	aliveWithin = 9 * time.Second

	// answersWithin: answers come within this time once a transport works again.
	answersWithin = 6 * time.Second

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
	if at := c.pauseOver(now); !at.IsZero() {
		if now.Before(at) {
			return nil
		}
		return fmt.Errorf("%w: the service said %v ago that it lost the agent", ErrPeerSilent, now.Sub(c.paused).Round(time.Second))
	}
	if at := c.silentAt(now); !at.IsZero() && !now.Before(at) {
		return ErrPeerSilent
	}
	return nil
}

// silentAt is when the agent counts as gone unless it acknowledges the oldest
// message; zero: there is no such time. c.mu is held.
func (c *Conn) silentAt(now time.Time) time.Time {
	since := c.reachedAt()
	if c.watched() && c.spoke.After(since) && !c.speaks(now) {
		since = c.spoke
	}
	if c.window.deadline(since, 0).IsZero() {
		return time.Time{}
	}
	return c.window.deadline(since, c.patience(now))
}

// pauseOver is when the agent counts as gone in a pause that nothing has lifted;
// zero: there is none. The time counts from the pause, or from when the agent fell
// silent if that was before: the service may be slow to notice. A target that may
// have stalled the agent explains that silence, and a pause none. c.mu is held.
func (c *Conn) pauseOver(now time.Time) time.Time {
	if c.paused.IsZero() || c.phase != StateCarrying {
		return time.Time{}
	}
	if c.doubtful(now) {
		return c.paused.Add(c.cfg.StallTimeout)
	}
	since := c.paused
	if !c.window.empty() && c.cfg.Stream.Unanswered() < stallable {
		silent := c.window.since(c.connected, c.paused)
		if c.spoke.After(silent) {
			silent = c.spoke
		}
		if silent.Before(since) {
			since = silent
		}
	}
	return since.Add(c.cfg.PauseTimeout)
}

// patience is how long the oldest message may stay without acknowledge.
//
// It is short only when nothing but the agent's end explains the silence: streams
// are carried (before, the agent may wait for a resolver), the agent says nothing
// at all, no target can have stalled it, and the transport is known to work, for a
// dead one is for its owner to notice and costs no session. A target that may have
// stalled the agent explains it for so long, however many transports that takes; but
// where the agent has shown its life in the upload (see beat), that or its end is all
// that counts. c.mu is held.
func (c *Conn) patience(now time.Time) time.Duration {
	switch {
	case c.phase != StateCarrying, c.doubtful(now):
		return c.cfg.StallTimeout
	case c.speaks(now) && c.watched():
		return c.stallPatience()
	case c.speaks(now):
		return c.cfg.StallTimeout
	case c.stalled() && !c.watched():
		return max(c.cfg.StallTimeout-c.window.waited(c.connected), c.cfg.PeerTimeout)
	}
	return c.cfg.PeerTimeout
}

// doubtful: the transport may be dead, or has only just shown that it is not. c.mu is
// held.
func (c *Conn) doubtful(now time.Time) bool {
	return now.Sub(c.alive) >= aliveWithin || now.Sub(c.revived) < answersWithin
}

// noteAlive notes a sign of life of the transport. c.mu is held.
func (c *Conn) noteAlive(alive time.Time) {
	if alive.Sub(c.alive) >= aliveWithin {
		c.revived = alive
	}
	c.alive = alive
}

// hear notes that the agent speaks. c.mu is held.
func (c *Conn) hear(now time.Time) {
	if !c.speaks(now) {
		c.spell = now
	}
	c.away, c.spoke = time.Time{}, now
	c.arrive(now)
}

// speaks: the agent goes on speaking. c.mu is held.
func (c *Conn) speaks(now time.Time) bool { return now.Sub(c.spoke) < speaksWithin }

// deaf: the agent has been speaking for some time, and yet does not answer. Who
// has only just begun again, after an outage, is about to. c.mu is held.
func (c *Conn) deaf(now time.Time) bool {
	at := c.deafAt()
	return !at.IsZero() && !now.Before(at) && c.speaks(now) && now.Sub(c.spell) >= speaksWithin
}

// deafAt is when the transport has taken what the agent does not answer for so
// long that another is to be tried, once for a message: zero for never. c.mu is
// held.
func (c *Conn) deafAt() time.Time {
	if c.phase != StateCarrying || c.window.empty() || c.window.slots[0].seq == c.replaced {
		return time.Time{}
	}
	after := deafAfter
	if c.watched() { // which explains it as well
		after = c.cfg.StallTimeout
	}
	return c.window.since(c.connected, time.Time{}).Add(after)
}
