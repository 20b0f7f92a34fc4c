package datachannel

import "time"

const (
	// beatFrom full messages in reply to the agent are the beginning of an upload, when
	// the first comes within beatHope, and each within beatHope of the one before:
	// clients send what they read, and may read slowly. Where nothing of the kind comes, the agent sends its message again some
	// four times, once for each answer that is followed by silence.
	beatFrom = 16
	beatHope = 500 * time.Millisecond

	// beatRest is how long an upload may rest and still be one. Each rest is paid for
	// with ten messages a second; and what the agent sends meanwhile and its service
	// loses without a word is sent again that much later.
	beatRest = 10 * time.Second

	// lateAfter is how much later than others a message may come that the agent has not
	// had to send again. As far as can be told: the agent sends the same copy, dated when
	// it was made.
	lateAfter = time.Second
)

// beat is the newest message of the agent, whose acknowledge is kept back while we
// upload in reply to it. While a target takes nothing, an agent acknowledges nothing
// for any stream, and one that is gone does as much. But the first goes on sending
// its oldest message without acknowledge again, ten times a second. The zero value
// means that there is none.
//
// Source: amazon-ssm-agent, agent/session/datachannel/datachannel.go
// (resending has a goroutine of its own).
type beat struct {
	owed
	at    time.Time // when it came
	waits bool      // for its acknowledge
	full  int       // full messages that have gone out since, for the first time
	last  time.Time // when the latest of them did
	along bool      // the acknowledge goes with a message that is not full
	heard bool      // the agent has sent it again
}

// kept: the acknowledge does not go out with the others.
func (b *beat) kept() bool { return b.waits && b.full >= beatFrom }

// due is when the acknowledge goes out that would go at then, as long as no upload is
// known to have begun.
func (b *beat) due(then time.Time) time.Time {
	end := then
	switch {
	case b.full > 0:
		end = b.last.Add(beatHope)
	case !b.along:
		end = b.at.Add(beatHope)
	}
	if then.Before(end) {
		return end
	}
	return then
}

// sent notes a new message of ours, which may be a full one.
func (b *beat) sent(now time.Time, full bool) {
	switch {
	case full:
		b.full++
		b.last = now
	case b.full == 0:
		b.along = true
	}
}

// keepBeat makes o the newest message, and owes the acknowledge of the one before. One
// that the agent has sent again, as it was lost, is no beat: until its acknowledge comes
// the agent repairs nothing else. c.mu is held.
func (c *Conn) keepBeat(now time.Time, o owed, late bool) {
	if c.beat.waits {
		c.acks.push(c.beat.owed)
	}
	if late || c.reorder.missing() > 0 {
		c.acks.push(o)
		c.beat = beat{}
		return
	}
	c.beat = beat{owed: o, at: now, waits: true}
}

// reached: the agent can be heard again. What it sent meanwhile may be lost, and comes only
// behind the acknowledge that is kept back, so that goes. But where an upload has the
// session to itself, it counts more that the agent lives. c.mu is held.
func (c *Conn) reached(now time.Time) {
	if !c.stalled() || c.shared() {
		c.releaseBeat(now)
	}
}

// reachedAt is since when the agent can be heard. c.mu is held.
func (c *Conn) reachedAt() time.Time {
	if c.lifted.After(c.connected) {
		return c.lifted
	}
	return c.connected
}

// late notes how long m was under way, by two clocks that may differ, and says whether that
// was longer than usual, or m should have come while the agent could not be heard. c.mu is
// held.
func (c *Conn) late(now time.Time, m Message) bool {
	took := time.Duration(now.UnixMilli()-int64(m.Created)) * time.Millisecond
	c.quickest = min(c.quickest, took)
	due := now.Add(c.quickest - took)
	return now.Sub(due) >= lateAfter || !due.After(c.reachedAt().Add(c.window.rto.smoothed))
}

// releaseBeat lets the acknowledge go now, if one is kept back. c.mu is held.
func (c *Conn) releaseBeat(now time.Time) {
	if c.beat.waits {
		c.acks.push(c.beat.owed)
		c.acksAt = now
	}
	c.beat = beat{}
}

// beatEnd is when an upload rests and the acknowledge is due; zero: not before
// something happens. c.mu is held.
func (c *Conn) beatEnd() time.Time {
	if !c.beat.kept() || !c.window.empty() {
		return time.Time{}
	}
	return c.lastData.Add(beatRest)
}

// stalled: so much is unanswered that a target may have stalled the agent. c.mu is held.
func (c *Conn) stalled() bool { return c.cfg.Stream.Unanswered() >= stallable }

// watched: and the agent, if it lives, shows so all the while. c.mu is held.
func (c *Conn) watched() bool { return c.beat.kept() && c.beat.heard && c.stalled() }

// stallPatience is how long an agent may be stalled that lives. Others in the same
// session hear before they have waited for very long. c.mu is held.
func (c *Conn) stallPatience() time.Duration {
	if c.shared() {
		return c.cfg.StallTimeout
	}
	return max(c.cfg.OutageTimeout, c.cfg.StallTimeout)
}

// shared: there are others beside an upload. c.mu is held.
func (c *Conn) shared() bool {
	s, ok := c.cfg.Stream.(sharer)
	return ok && s.Shared()
}
