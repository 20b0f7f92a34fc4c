package datachannel

import (
	"errors"
	"fmt"
	"time"
)

// heldOverhead is what one held message costs beside its payload: the frame's
// header, the map's entry, the allocation.
const heldOverhead = 256

var errReorderFull = errors.New("reorder buffer is full")

// arrival says what a message of the agent is to us.
type arrival int

const (
	inOrder   arrival = iota // the one expected: handle it, then what take has
	early                    // now held; its turn comes
	duplicate                // handled or held already; acknowledge it again
	repeated                 // the beat
)

// reorder puts the agent's messages in order. It holds early ones, up to a
// budget in bytes, and knows when waiting for the missing ones is in vain. Not
// safe for concurrent use.
type reorder struct {
	budget   int
	expected int64 // number of the next message to handle
	highest  int64 // number held; meaningless when nothing is held
	held     map[int64]Message
	bytes    int
	since    time.Time // expected has its value, or the transport is there, whichever came later
	begun    time.Time // the repair of the present gap, as since
	goal     int64     // the gap is repaired once this number is
}

func newReorder(budget int) reorder {
	return reorder{budget: budget, held: make(map[int64]Message)}
}

// add sorts m in. errReorderFull is for good: refusing one message silently
// would only multiply what is missing.
func (r *reorder) add(now time.Time, m Message) (arrival, error) {
	if m.Seq < r.expected {
		return duplicate, nil
	}
	if m.Seq == r.expected {
		r.expected++
		r.since = now
		return inOrder, nil
	}
	if _, ok := r.held[m.Seq]; ok {
		return duplicate, nil
	}
	size := len(m.Payload) + heldOverhead
	if r.bytes+size > r.budget {
		return early, fmt.Errorf("%w: %d messages wait for number %d", errReorderFull, len(r.held), r.expected)
	}
	if len(r.held) == 0 {
		r.since, r.highest = now, m.Seq
		r.begun, r.goal = now, m.Seq
	}
	r.held[m.Seq] = m
	r.bytes += size
	r.highest = max(r.highest, m.Seq)
	return early, nil
}

// take returns the expected message if it is held, and counts it as handled.
func (r *reorder) take(now time.Time) (Message, bool) {
	m, ok := r.held[r.expected]
	if ok {
		delete(r.held, r.expected)
		r.bytes -= len(m.Payload) + heldOverhead
		r.expected++
		r.since = now
		if m.Seq == r.goal { // what is missing now was lost later
			r.begun, r.goal = now, r.highest
		}
	}
	return m, ok
}

// missing is how many messages others have overtaken.
func (r *reorder) missing() int64 {
	if len(r.held) == 0 {
		return 0
	}
	return r.highest - r.expected - int64(len(r.held)-1)
}

// restart gives the agent, reached by a new transport, new time to repair.
func (r *reorder) restart(now time.Time) { r.since, r.begun = now, now }

// hopeless says why waiting is in vain; "" means it is not. Agents repair one
// message per tick of 100 ms at most, so what is missing tells how long the repair
// takes at least. One that goes on is waited for, but for patience at most, and one
// that has stopped for timeout.
//
// Source: amazon-ssm-agent, agent/session/datachannel/datachannel.go
// (resending looks at the oldest message only).
func (r *reorder) hopeless(now time.Time, patience, timeout time.Duration) string {
	missing := r.missing()
	if missing == 0 {
		return ""
	}
	if repair := repairTime(missing, 0); repair+repair/10 > patience { // agents are a little slower, at best
		return fmt.Sprintf("%d messages are missing, their repair would take %v", missing, repair)
	}
	if waited := now.Sub(r.begun); waited >= patience {
		return fmt.Sprintf("%d messages are still missing after %v of repair", missing, waited)
	}
	if waited := now.Sub(r.since); waited >= timeout {
		return fmt.Sprintf("number %d is missing for %v, %d later messages wait", r.expected, waited, len(r.held))
	}
	return ""
}

// deadline is when hopeless will say so if nothing moves; zero: nothing is
// missing.
func (r *reorder) deadline(patience, timeout time.Duration) time.Time {
	if r.missing() == 0 {
		return time.Time{}
	}
	at := r.since.Add(timeout)
	if end := r.begun.Add(patience); end.Before(at) {
		return end
	}
	return at
}

// repairTime is how long the agent needs to send n messages again, measured on
// the agent's code: 10 a second, 4.9 at a round trip of 150 ms, 3.3 at 250 ms. The
// round trip of a busy path is no sure sign, so nothing is given up for it.
func repairTime(n int64, roundTrip time.Duration) time.Duration {
	perSecond := int64(10)
	if roundTrip > 100*time.Millisecond {
		perSecond = 5
	}
	if roundTrip > 200*time.Millisecond {
		perSecond = 3
	}
	const longest = int64(24 * time.Hour / time.Second)
	return time.Duration(min(n/perSecond, longest)) * time.Second
}
