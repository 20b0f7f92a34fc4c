package mux

import "time"

const (
	// holdFor is how long a small message waits for streams that were answered
	// together with those that have asked: clients ask again within the time that it
	// takes them to read an answer. It is half of the agent's pace, 1.06 ms.
	holdFor = 600 * time.Microsecond

	// A crowd's small messages follow each other no sooner than after holdFor, and no
	// sooner than after holdEach for each of its streams, which fills those of a large
	// one. With less than 40 µs 32 streams need more messages for a query than the
	// official client, with more they ask less often (TestCrowdAsksInFewMessages).
	holdEach = 45 * time.Microsecond
	holdMost = 2 * time.Millisecond

	// quickWithin is how soon after an answer the next question of a client comes who
	// is expected to ask again.
	quickWithin = 3 * time.Millisecond

	// crowdSlot is how long, and up to twice as long, a stream belongs to the crowd
	// after a write: an answer and the next question of each of them fit in.
	crowdSlot = 8 * time.Millisecond
)

// crowd knows which streams are about to say something, and how many have of late.
// Its zero value is ready. Mux.mu guards it.
type crowd struct {
	since time.Time // when the first of the bytes came that wait for Fill
	room  int       // what FillAt was asked for last

	// Streams that have been answered and not asked again: those answered before
	// since, for whom the present message waits, and those answered later.
	round  uint64 // messages filled; a stream is expected in one of the next two
	now    int
	later  int
	slot   int64 // of crowdSlot
	recent [2]int
}

// FillAt returns when Fill is best called for a message that has room for so many
// bytes, where another went out at last: at once (the zero time), or somewhat later,
// when more will share it. Each message costs the agent CPU.
//
// A stream alone waits for nothing. Of several, those that were answered together
// are likely to ask together.
func (m *Mux) FillAt(now, last time.Time, room int) time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.crowd.room = room
	if m.queued == 0 || m.queued >= room {
		return time.Time{}
	}
	var at time.Time
	if n := m.crowd.size(now); n > 1 {
		at = last.Add(min(max(holdFor, time.Duration(n)*holdEach), holdMost))
	}
	if m.crowd.now > 0 {
		if end := m.crowd.since.Add(holdFor); end.After(at) {
			at = end
		}
	}
	if !at.After(now) {
		return time.Time{}
	}
	return at
}

// askedBy notes that s has something to say, before it counts among what is queued.
// news says that FillAt's answer may be another now. m.mu is held.
func (m *Mux) askedBy(s *Stream, now time.Time) (news bool) {
	c := &m.crowd
	c.enter(s, now)
	first := m.queued == 0
	if first {
		c.since = now
	}
	if !s.toldAt.IsZero() {
		s.quick = now.Sub(s.toldAt) < quickWithin
		s.toldAt = time.Time{}
		switch s.expected {
		case c.round + 1:
			c.now--
		case c.round + 2:
			c.later--
		}
		s.expected = 0
	}
	return first || c.now == 0
}

// told notes that s has got an answer. m.mu is held.
func (m *Mux) told(s *Stream, now time.Time) {
	c := &m.crowd
	s.toldAt = now
	switch {
	case !s.quick || s.expected > c.round:
	case m.queued == 0:
		s.expected = c.round + 1
		c.now++
	default:
		s.expected = c.round + 2
		c.later++
	}
}

// taken notes that a message takes what is queued. Who has not asked by now is not
// waited for any more. m.mu is held.
func (c *crowd) taken() {
	c.round++
	c.now, c.later = c.later, 0
}

// enter makes s one of the crowd.
func (c *crowd) enter(s *Stream, now time.Time) {
	c.advance(now)
	if s.slot != c.slot {
		s.slot = c.slot
		c.recent[0]++
	}
}

// size is how many streams have written of late.
func (c *crowd) size(now time.Time) int {
	c.advance(now)
	return max(c.recent[0], c.recent[1])
}

// advance goes to the present slot.
func (c *crowd) advance(now time.Time) {
	slot := now.UnixNano() / int64(crowdSlot)
	switch {
	case slot == c.slot:
		return
	case slot == c.slot+1:
		c.recent = [2]int{0, c.recent[0]}
	default:
		c.recent = [2]int{}
	}
	c.slot = slot
}
