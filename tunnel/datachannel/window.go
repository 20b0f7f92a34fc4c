package datachannel

import "time"

// maxSpan bounds the distance from the oldest message without acknowledge to
// the next new one, whatever has been acknowledged between them. Agents hold
// 100,000 early messages; a sixth of that is never in the way.
const maxSpan = 16 << 10

// minTries is less than what 12 s hold: tries at 0, 0.2, 0.6, 1.4, 3, 5, 7, 9 s …
const minTries = 8

// maxFree bounds the frames kept for reuse, about 150 KB.
const maxFree = 128

// sent is one message that waits for its acknowledge. A resend is the same
// frame, byte for byte.
type sent struct {
	seq    int64
	frame  []byte
	first  time.Time // of sending
	last   time.Time // of sending; zero: to be sent again at once
	tries  int       // on this transport
	again  bool      // was sent more than once
	probe  bool      // follows the probe's own schedule
	before *sent     // neighbours in the order of last
	after  *sent
}

// window holds what was sent and not yet acknowledged. It numbers messages,
// never gives one up, and says which is due again. Not safe for concurrent use.
//
// Only two messages are ever candidates: the oldest number, which is sent again
// whenever its timeout ends, and the one whose sending lies furthest back,
// which is sent again only after something younger was acknowledged. So when the
// path is dead one message probes it, and when single messages are lost each is
// repaired by itself.
type window struct {
	rto  rto
	pace pace

	next  int64   // number of the next new message
	slots []*sent // slots[i] has number next-len(slots)+i; nil once acknowledged
	bytes int     // of all frames held

	oldest, newest *sent     // ends of the list by last
	acked          time.Time // latest sending that was acknowledged

	free []*sent // for reuse, frames included
}

// hasRoom: a frame of this size may be added.
func (w *window) hasRoom(size int) bool {
	return w.bytes+size <= w.pace.limit && len(w.slots) < maxSpan
}

// empty: everything is acknowledged.
func (w *window) empty() bool { return len(w.slots) == 0 }

// fresh returns a message for the next number, not yet in the window, with an
// empty frame of at least the given capacity. Its bytes may be those of an
// acknowledged message: only the goroutine that writes frames may call this.
func (w *window) fresh(size int) *sent {
	if n := len(w.free); n > 0 {
		s := w.free[n-1]
		w.free = w.free[:n-1]
		if cap(s.frame) >= size {
			*s = sent{seq: w.next, frame: s.frame[:0]}
			return s
		}
	}
	return &sent{seq: w.next, frame: make([]byte, 0, size)}
}

// unused keeps s for fresh, unless enough are kept.
func (w *window) unused(s *sent) {
	if len(w.free) < maxFree {
		w.free = append(w.free, s)
	}
}

// add stores s, which fresh made and which goes out now. Storing comes before
// writing: a write that fails is not a message unsent.
func (w *window) add(now time.Time, s *sent) {
	s.first, s.last, s.tries = now, now, 1
	w.next++
	w.slots = append(w.slots, s)
	w.bytes += len(s.frame)
	w.link(s)
}

// acknowledge removes message seq, and reports whether it was there. Unknown
// numbers, those acknowledged before included, are no error.
func (w *window) acknowledge(now time.Time, seq int64) bool {
	i := seq - w.base()
	if i < 0 || i >= int64(len(w.slots)) || w.slots[i] == nil {
		return false
	}
	s := w.slots[i]
	if s.last.After(w.acked) {
		w.acked = s.last
	}
	if !s.again {
		roundTrip := now.Sub(s.first)
		w.rto.sample(roundTrip)
		w.pace.acked(len(s.frame), w.bytes, roundTrip, w.rto.least)
	}
	w.slots[i] = nil
	for len(w.slots) > 0 && w.slots[0] == nil {
		w.slots = w.slots[1:]
	}
	w.bytes -= len(s.frame)
	w.unlink(s)
	w.unused(s)
	return true
}

// due returns a message to send again now, or nil, and notes it as sent. It is
// to be called until it returns nil.
func (w *window) due(now time.Time) *sent {
	if w.empty() {
		return nil
	}
	front := w.slots[0]
	s := front
	if now.Before(w.dueAt(s)) {
		if s = w.oldest; !w.overtaken(s) || now.Before(w.dueAt(s)) {
			return nil
		}
	}
	if s == front && !s.last.IsZero() && !s.probe {
		w.overdue(s)
	}
	w.unlink(s)
	s.last, s.again = now, true
	s.tries++
	w.link(s)
	return s
}

// overdue: the oldest message got no acknowledge in time. If younger ones did,
// it is lost and the path is well; otherwise the path may be slow or dead.
func (w *window) overdue(front *sent) {
	if w.rto.smoothed > 0 { // else the timeout is a guess, and says nothing about the path
		w.pace.halve()
	}
	if !w.overtaken(front) {
		w.rto.expired()
	}
}

// nextDue is when due, which has just returned nil, will have something; zero:
// not before something happens.
func (w *window) nextDue() time.Time {
	if w.empty() {
		return time.Time{}
	}
	at := w.dueAt(w.slots[0])
	if w.overtaken(w.oldest) {
		if other := w.dueAt(w.oldest); other.Before(at) {
			at = other
		}
	}
	return at
}

// deadline is when the peer counts as silent: timeout after the oldest message
// was first sent on a transport that is there since connected. Until that
// message has been sent minTries times there is none: after a machine's sleep
// the clock alone says nothing. Zero: none.
func (w *window) deadline(connected time.Time, timeout time.Duration) time.Time {
	if w.empty() || w.slots[0].tries < minTries {
		return time.Time{}
	}
	return w.since(connected, time.Time{}).Add(timeout)
}

// since is when the oldest message was first sent on a transport that is there
// since connected; otherwise, with nothing under way, is the answer then.
func (w *window) since(connected, otherwise time.Time) time.Time {
	if w.empty() {
		return otherwise
	}
	if since := w.slots[0].first; since.After(connected) {
		return since
	}
	return connected
}

// waited is for how long the oldest message had been unanswered when the
// transport came that is there since connected.
func (w *window) waited(connected time.Time) time.Duration {
	if w.empty() {
		return 0
	}
	return max(connected.Sub(w.slots[0].first), 0)
}

// replay makes every message due at once, in order: the transport is a new one.
func (w *window) replay() {
	w.rto.reset()
	w.oldest, w.newest = nil, nil
	for _, s := range w.slots {
		if s != nil {
			s.last, s.tries = time.Time{}, 0
			w.link(s)
		}
	}
}

// overtaken: s was sent before something that has been acknowledged, or is to be
// replayed.
func (w *window) overtaken(s *sent) bool { return s.last.Before(w.acked) || s.last.IsZero() }

// dueAt is when s counts as lost. The probe's is usually refused for a moment,
// until the agent's port plugin is up: it goes out again at 50, 100 and 200 ms,
// then as every other.
func (w *window) dueAt(s *sent) time.Time {
	if s.last.IsZero() {
		return s.last
	}
	if s.probe {
		return s.last.Add(probeDelay(s.tries))
	}
	return s.last.Add(w.rto.timeout())
}

// probeDelay is the time from the given try of the probe to the next.
func probeDelay(tries int) time.Duration {
	const first = 50 * time.Millisecond
	if tries <= 1 {
		return first
	}
	return min(first<<min(tries-2, 10), maxRTO)
}

// base is the number of slots[0].
func (w *window) base() int64 { return w.next - int64(len(w.slots)) }

// link puts s at the end of the list by last; no other was sent later.
func (w *window) link(s *sent) {
	s.before, s.after = w.newest, nil
	if w.newest != nil {
		w.newest.after = s
	} else {
		w.oldest = s
	}
	w.newest = s
}

func (w *window) unlink(s *sent) {
	if s.before != nil {
		s.before.after = s.after
	} else {
		w.oldest = s.after
	}
	if s.after != nil {
		s.after.before = s.before
	} else {
		w.newest = s.before
	}
	s.before, s.after = nil, nil
}
