package datachannel

import "time"

const (
	// checkAfter is how long the agent may be silent in the middle of things. With
	// PeerTimeout after that, its end is reported within 15 s.
	checkAfter = 2 * time.Second

	// longestCheck is the longest silence between the checks of one wait: a query
	// may take hours.
	longestCheck = 24 * time.Second
)

// check is what the latest NOP found that asked the agent for an acknowledge.
// Without it an agent that ends while nothing of ours is under way, as during a
// download, would not be missed.
type check struct {
	in         int64         // bytes that had come
	unanswered int           // bytes that targets owed an answer to
	after      time.Duration // of silence
}

// checkAt is when the agent is to be asked, and what is then to be kept: once in
// each silence, and ever again while a target owes an answer. Zero: there is
// nothing to miss, or messages whose acknowledges would be missed are under way.
// c.mu is held.
func (c *Conn) checkAt() (at time.Time, next check) {
	if c.phase != StateCarrying || c.terminating || !c.window.empty() {
		return time.Time{}, check{}
	}
	next = check{c.stats.BytesIn, c.cfg.Stream.Unanswered(), checkAfter}
	if next.in == c.checked.in && next.unanswered == c.checked.unanswered { // nothing has moved
		if next.unanswered == 0 {
			return time.Time{}, check{}
		}
		next.after = min(2*c.checked.after, longestCheck)
	}
	return c.spoke.Add(next.after), next
}

// checkUp queues a NOP when it is time for one. c.mu is held.
func (c *Conn) checkUp(now time.Time) {
	if now.Sub(c.spoke) < checkAfter { // most often, and for less than checkAt
		return
	}
	if at, next := c.checkAt(); !at.IsZero() && !now.Before(at) {
		c.checked = next
		c.cfg.Stream.SendNOP()
	}
}
