package datachannel

import (
	"slices"
	"testing"
	"time"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func newTestWindow() *window { return &window{pace: newPace(defaultMaxWindow)} }

// put adds a message of size bytes.
func (w *window) put(at time.Time, size int) int64 {
	s := w.fresh(size)
	s.frame = s.frame[:size]
	w.add(at, s)
	return s.seq
}

// dueAll returns the numbers that are due at once.
func (w *window) dueAll(at time.Time) []int64 {
	var all []int64
	for s := w.due(at); s != nil; s = w.due(at) {
		all = append(all, s.seq)
	}
	return all
}

// schedule says when each resend happens, if nothing is acknowledged.
func (w *window) schedule(start time.Time, length time.Duration) (at []time.Duration, seqs []int64) {
	for {
		next := w.nextDue()
		if next.IsZero() || next.Sub(start) > length {
			return at, seqs
		}
		for _, seq := range w.dueAll(next) {
			at, seqs = append(at, next.Sub(start)), append(seqs, seq)
		}
	}
}

func TestOldestIsResentWithBackOff(t *testing.T) {
	w := newTestWindow()
	w.put(epoch, 100)
	w.put(epoch.Add(ms), 100)
	at, seqs := w.schedule(epoch, 8*time.Second)
	if want := []time.Duration{200 * ms, 600 * ms, 1400 * ms, 3000 * ms, 5000 * ms, 7000 * ms}; !slices.Equal(at, want) {
		t.Errorf("resent at %v, want %v", at, want)
	}
	for _, seq := range seqs {
		if seq != 0 {
			t.Errorf("number %d was resent on a silent path, want only 0 to probe it: %v", seq, seqs)
		}
	}
}

func TestProbeIsResentQuickly(t *testing.T) {
	w := newTestWindow()
	s := w.fresh(100)
	s.probe = true
	w.add(epoch, s)
	at, _ := w.schedule(epoch, 6*time.Second)
	want := []time.Duration{50 * ms, 100 * ms, 200 * ms, 400 * ms, 800 * ms, 1600 * ms, 3200 * ms, 5200 * ms}
	if !slices.Equal(at, want) {
		t.Errorf("resent at %v, want %v", at, want)
	}
	if w.pace.limit != startWindow {
		t.Errorf("the probe's resends changed the pace to %d", w.pace.limit)
	}
}

func TestLostMessagesAreRepairedEach(t *testing.T) {
	w := newTestWindow()
	for i := range 10 {
		w.put(epoch.Add(time.Duration(i)*ms), 100)
	}
	for _, seq := range []int64{0, 1, 3, 4, 5, 7, 8} { // 2, 6 and 9 are lost
		if !w.acknowledge(epoch.Add(20*ms), seq) {
			t.Fatalf("number %d is not in the window", seq)
		}
	}
	if got := w.dueAll(epoch.Add(150 * ms)); got != nil {
		t.Errorf("%v is due before its time", got)
	}
	if got, want := w.dueAll(epoch.Add(250*ms)), []int64{2, 6}; !slices.Equal(got, want) {
		t.Errorf("due is %v, want %v: nothing younger than 9 was acknowledged", got, want)
	}
	w.acknowledge(epoch.Add(260*ms), 2)
	w.acknowledge(epoch.Add(260*ms), 6)
	if got, want := w.dueAll(epoch.Add(450*ms)), []int64{9}; !slices.Equal(got, want) {
		t.Errorf("due is %v, want %v", got, want)
	}
	w.acknowledge(epoch.Add(480*ms), 9)
	if !w.empty() || w.bytes != 0 || !w.nextDue().IsZero() || w.oldest != nil || w.newest != nil {
		t.Errorf("not empty at the end: %+v", w)
	}
}

// A path slower than the timeout must not have everything sent twice, nor stay
// without samples for ever.
func TestSlowPathIsLearned(t *testing.T) {
	w := newTestWindow()
	const roundTrip = 700 * ms
	resends := 0
	for i := range 20 {
		start := epoch.Add(time.Duration(i) * time.Second)
		seq := w.put(start, 100)
		at, _ := w.schedule(start, roundTrip)
		resends += len(at)
		w.acknowledge(start.Add(roundTrip), seq)
	}
	if resends > 3 {
		t.Errorf("%d resends of 20 messages at %v", resends, roundTrip)
	}
	if got := w.rto.smoothed.Round(10 * ms); got != roundTrip {
		t.Errorf("round trip is %v, want %v", got, roundTrip)
	}
}

func TestResentMessagesGiveNoSample(t *testing.T) {
	w := newTestWindow()
	seq := w.put(epoch, 100)
	w.dueAll(epoch.Add(200 * ms))
	w.acknowledge(epoch.Add(201*ms), seq)
	if w.rto.smoothed != 0 {
		t.Errorf("round trip is %v from a message sent twice", w.rto.smoothed)
	}
}

func TestAcknowledgeTakesUnknownNumbers(t *testing.T) {
	w := newTestWindow()
	for _, seq := range []int64{-1, 0, 1, 1 << 62} {
		if w.acknowledge(epoch, seq) {
			t.Errorf("number %d was in an empty window", seq)
		}
	}
	w.put(epoch, 100)
	w.put(epoch, 100)
	if !w.acknowledge(epoch, 1) || w.acknowledge(epoch, 1) || w.acknowledge(epoch, 2) || w.acknowledge(epoch, -5) {
		t.Error("number 1 is not acknowledged once and nothing else")
	}
	if w.bytes != 100 || w.base() != 0 {
		t.Errorf("%d bytes from number %d wait, want 100 from 0", w.bytes, w.base())
	}
}

func TestWindowHasABudget(t *testing.T) {
	w := newTestWindow()
	for w.hasRoom(1144) {
		w.put(epoch, 1144)
	}
	if w.bytes > startWindow || w.bytes < startWindow-1144 {
		t.Errorf("%d bytes fit into %d", w.bytes, startWindow)
	}
	w.dueAll(epoch.Add(time.Second))
	if w.pace.limit != startWindow {
		t.Errorf("a resend before the first sample makes the window %d", w.pace.limit)
	}
	w.acknowledge(epoch.Add(2*time.Second), 1)
	before := w.pace.limit
	w.dueAll(epoch.Add(20 * time.Second))
	if w.pace.limit != before/2 {
		t.Errorf("an overdue message makes the window %d of %d, want half", w.pace.limit, before)
	}
}

// Whatever is acknowledged behind it, the oldest message holds the rest back
// before the agent's own buffer is full.
func TestWindowHasASpan(t *testing.T) {
	w := newTestWindow()
	w.put(epoch, 100)
	n := 1
	for ; w.hasRoom(100) && n < 100_000; n++ {
		w.acknowledge(epoch, w.put(epoch, 100))
	}
	if n != maxSpan {
		t.Errorf("%d messages beyond the oldest, want %d", n, maxSpan)
	}
	w.acknowledge(epoch, 0)
	if !w.hasRoom(100) || !w.empty() {
		t.Error("no room although everything is acknowledged")
	}
}

func TestReplayIsWholeInOrderOnce(t *testing.T) {
	w := newTestWindow()
	for i := range 6 {
		w.put(epoch.Add(time.Duration(i)*ms), 100)
	}
	w.dueAll(epoch.Add(time.Second)) // 0 is younger than the others now
	w.acknowledge(epoch.Add(time.Second), 3)
	now := epoch.Add(10 * time.Second)
	w.replay()
	if got, want := w.dueAll(now), []int64{0, 1, 2, 4, 5}; !slices.Equal(got, want) {
		t.Errorf("replay is %v, want %v", got, want)
	}
	if got := w.dueAll(now.Add(100 * ms)); got != nil {
		t.Errorf("%v is sent once more", got)
	}
	if w.pace.limit != startWindow {
		t.Errorf("a replay makes the window %d", w.pace.limit)
	}
	if got, want := w.dueAll(now.Add(w.rto.timeout())), []int64{0}; !slices.Equal(got, want) {
		t.Errorf("due one timeout after the replay is %v, want %v", got, want)
	}
}

func TestReplayForgetsTheBackOff(t *testing.T) {
	w := newTestWindow()
	w.put(epoch, 100)
	w.schedule(epoch, 10*time.Second)
	w.replay()
	if got := w.rto.timeout(); got != minRTO {
		t.Errorf("timeout is %v on a new transport, want %v", got, minRTO)
	}
}

func TestSilenceNeedsTriesAndTime(t *testing.T) {
	w := newTestWindow()
	w.put(epoch, 100)
	if at := w.deadline(epoch, 30*time.Second); !at.IsZero() {
		t.Errorf("one try gives a deadline %v", at)
	}
	at, _ := w.schedule(epoch, 20*time.Second)
	if len(at) < minTries {
		t.Fatalf("%d tries in 20 s, want at least %d", len(at), minTries)
	}
	if got, want := w.deadline(time.Time{}, 30*time.Second), epoch.Add(30*time.Second); !got.Equal(want) {
		t.Errorf("deadline is %v, want %v", got, want)
	}
	connected := epoch.Add(15 * time.Second)
	if got, want := w.deadline(connected, 30*time.Second), connected.Add(30*time.Second); !got.Equal(want) {
		t.Errorf("deadline is %v, want %v: the transport is younger than the message", got, want)
	}
	w.replay()
	if at := w.deadline(connected, 30*time.Second); !at.IsZero() {
		t.Errorf("tries of the old transport count: %v", at)
	}
}

func TestFramesAreReused(t *testing.T) {
	w := newTestWindow()
	s := w.fresh(1000)
	s.frame = append(s.frame, "old"...)
	w.add(epoch, s)
	w.acknowledge(epoch, s.seq)
	again := w.fresh(500)
	if again != s || len(again.frame) != 0 || again.seq != 1 || again.again || again.tries != 0 {
		t.Errorf("got %+v, want the acknowledged one, emptied", again)
	}
	if bigger := w.fresh(2000); cap(bigger.frame) < 2000 {
		t.Errorf("capacity is %d, want 2000", cap(bigger.frame))
	}
	for range 2 * maxFree {
		w.unused(&sent{})
	}
	if len(w.free) > maxFree {
		t.Errorf("%d frames are kept, want at most %d", len(w.free), maxFree)
	}
}
