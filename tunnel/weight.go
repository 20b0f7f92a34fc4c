package tunnel

import (
	"slices"
	"sync/atomic"
	"time"
)

const (
	// heavyBytes within a second, both ways, make a stream heavy: more than small
	// queries bring that follow each other without a pause, a third of what one
	// session carries down.
	heavyBytes = 256 << 10

	// crampedBytes do where its session carries down fullBytes, three quarters of what
	// it can: eight bulk transfers that share one get no more each.
	crampedBytes = 64 << 10
	fullBytes    = 640 << 10

	// loginBytes are more than a login takes. A stream that has carried less in its
	// first second says nothing of what comes: it may be at rest, or about to begin.
	loginBytes = 32 << 10

	// weighAfter is the age at which a stream's weight is known.
	weighAfter = time.Second

	// rememberedWeights are those of the latest streams of an address.
	rememberedWeights = 8
)

// load is what one stream carries. Dialer.mu guards all but the first two.
type load struct {
	bytes  atomic.Int64 // both ways, so far
	closed atomic.Bool
	opened time.Time
	looked int64 // bytes when last looked at
	known  bool  // it has been weighed
	begun  bool  // its login is over, and not counted
	heavy  bool
}

// look weighs the stream by what it has carried since it was last looked at, a
// second ago; one that has carried nothing but its login is not weighed. full says that its
// session has no more to give. news says that its weight is known now, or has become
// heavy.
func (l *load) look(now time.Time, full bool) (news bool) {
	bytes := l.bytes.Load()
	heavy := bytes-l.looked >= heavyBytes || full && bytes-l.looked >= crampedBytes
	if !l.known && !heavy {
		switch {
		case bytes == l.looked, !l.closed.Load() && now.Sub(l.opened) < weighAfter:
			return false
		case !l.closed.Load() && !l.begun && bytes < loginBytes:
			l.looked, l.begun = bytes, true
			return false
		}
	}
	news = !l.known || heavy && !l.heavy
	l.looked, l.known, l.heavy = bytes, true, heavy
	return news
}

// isHeavy says whether the stream is known to be, or is found to be at once.
func (l *load) isHeavy() bool { return l.heavy || l.bytes.Load()-l.looked >= heavyBytes }

// weights are how heavy the latest streams of an address were, the oldest first.
type weights struct{ heavy []bool }

func (w *weights) note(heavy bool) {
	if len(w.heavy) == rememberedWeights {
		w.heavy = slices.Delete(w.heavy, 0, 1)
	}
	w.heavy = append(w.heavy, heavy)
}

// allLight says that what comes next is likely to be light, and mostlyHeavy that it
// is likely to be heavy. With nothing known neither is.
func (w *weights) allLight() bool { return len(w.heavy) > 0 && !slices.Contains(w.heavy, true) }

func (w *weights) mostlyHeavy() bool {
	n := 0
	for _, heavy := range w.heavy {
		if heavy {
			n++
		}
	}
	return n > 1 && 2*n > len(w.heavy)
}

// fresh says that nothing is known of the streams of g, and that one has just been
// opened: more may be coming with it.
func (g *group) fresh(now time.Time) bool {
	return len(g.weights.heavy) == 0 && slices.ContainsFunc(g.sessions, func(s *session) bool {
		return slices.ContainsFunc(s.loads, func(l *load) bool { return now.Sub(l.opened) < weighAfter })
	})
}

// carry has one more stream of s weighed. Dialer.mu is held.
func (s *session) carry(now time.Time) *load {
	l := &load{opened: now}
	s.loads = append(s.loads, l)
	return l
}

// weigh looks at each stream of s, and notes what is new of them in w. Dialer.mu is
// held.
func (s *session) weigh(now time.Time, w *weights) {
	received := s.mux.Stats().Received
	full := received-s.received >= fullBytes
	s.received = received
	s.loads = slices.DeleteFunc(s.loads, func(l *load) bool {
		if l.look(now, full) {
			w.note(l.heavy)
		}
		return l.closed.Load()
	})
}

// weighNew weighs the streams whose weight is just known, and notes it in w, so that
// who comes then does not depend on when they are looked at. Dialer.mu is held.
func (s *session) weighNew(now time.Time, w *weights) {
	for _, l := range s.loads {
		if !l.known && now.Sub(l.opened) >= weighAfter && l.look(now, false) {
			w.note(l.heavy)
		}
	}
}

// light says that the session has streams, of which none is heavy. Dialer.mu is
// held.
func (s *session) light() bool {
	return len(s.loads) > 0 && !slices.ContainsFunc(s.loads, (*load).isHeavy)
}
