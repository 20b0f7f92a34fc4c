package gateway

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// ticksAllowed are the clock's ticks in AckWithin.
	ticksAllowed = 10
	// maxViolations bounds what is remembered.
	maxViolations = 1000
	// dateSlack is how far a first copy's date may be from now.
	dateSlack = 10 * time.Minute
	// uploadFrom payload bytes of the client's may be the beginning of an upload: those
	// of a message that has room for no more than a small frame.
	uploadFrom = maxChunk - 64
	// uploadRest is how long an upload may rest.
	uploadRest = 10 * time.Second
	// keptInputs bounds how far back a resend is compared with its first copy.
	keptInputs = 100_000
)

// clock counts ticks of AckWithin/ticksAllowed. A process that is starved loses
// ticks, so that a busy machine is not taken for a late client.
type clock struct{ n atomic.Int64 }

func (c *clock) advance()   { c.n.Add(1) }
func (c *clock) now() int64 { return c.n.Load() }

// watch holds one session's client to the protocol. It sees every message the
// client sends, as it arrives and before any fault, and every message the
// client is sent, after the faults; the agent shows it the mux bytes in order.
type watch struct {
	g       *Gateway
	session string // "" for what belongs to none

	mu         sync.Mutex
	connection int
	wire       *wire // of that connection
	clientID   string
	over       bool  // the session has ended
	overAt     int64 // tick at which channel_closed was delivered; 0: it was not
	left       bool  // the client went away by itself and has not come back

	next        int64 // one more than the highest input number seen
	missing     map[int64]bool
	inputs      map[int64]*inputRecord
	unacked     int
	uploaded    int   // payload bytes so far
	uploadedAt  int64 // tick of the latest
	tooMuch     bool  // reported
	paused      bool
	pausedBytes int  // new bytes since pause_publication
	complete    bool // HandshakeComplete delivered

	outputs    map[int64]*outputRecord
	nextOutput int64 // one more than the highest output number delivered
	reackable  int64 // below it an acknowledgement may come once more

	mux muxCheck

	restarted bool // the agent was: numbers mean nothing any more
}

type inputRecord struct {
	sum        [32]byte
	size       int
	acked      bool
	connection int   // that its acknowledgement was last delivered on
	at         int64 // tick of that
}

// outputRecord is a delivered output message that may still be acknowledged.
type outputRecord struct {
	id         string
	deliveries int
	acks       int
	waived     int     // deliveries on connections that are gone
	since      []int64 // ticks of the deliveries on this connection, oldest first
	uploaded   int     // by the client before the first delivery
}

func newWatch(g *Gateway, session string) *watch {
	return &watch{
		g: g, session: session, missing: map[int64]bool{},
		inputs: map[int64]*inputRecord{}, outputs: map[int64]*outputRecord{},
	}
}

// reportf notes a violation.
func (w *watch) reportf(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if w.session != "" {
		text = "session " + w.session + ": " + text
	}
	w.g.cfg.Log.Warn("protocol violation", "what", text)
	w.g.mu.Lock()
	defer w.g.mu.Unlock()
	if len(w.g.broken) < maxViolations {
		w.g.broken = append(w.g.broken, text)
	}
	w.g.wake()
}

// strictly reports what the genuine plugin is known to do.
func (w *watch) strictly(format string, args ...any) {
	if !w.g.cfg.OfficialClient {
		w.reportf(format, args...)
	}
}

// attached and detached tell of the client's coming and going. What was
// delivered on a connection that is gone need not be acknowledged.
func (w *watch) attached(connection int, beneath *wire) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.connection, w.wire, w.left = connection, beneath, false
	w.reackable = w.nextOutput
	w.waive()
}

func (w *watch) detached(connection int, byClient bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.connection == connection {
		w.left = byClient
		w.waive()
	}
}

// allowed are the ticks in which an answer has to come, of which the network
// takes its part.
func (w *watch) allowed() int64 {
	tick := w.g.cfg.AckWithin / ticksAllowed
	return ticksAllowed + int64((w.g.net.slack()+tick-1)/tick)
}

// dark says whether the connection loses bytes, so that nothing can be told of
// who got what.
func (w *watch) dark() bool { return w.wire != nil && w.wire.dark() }

func (w *watch) waive() {
	for _, o := range w.outputs {
		o.waived, o.since = o.deliveries, nil
	}
}

// corrupted tells that the bytes of the mux are not the client's any more.
func (w *watch) corrupted() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mux.broken = true
}

// agentRestarts tells that the session goes on with an agent that knows nothing
// of it.
func (w *watch) agentRestarts() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.restarted, w.mux.broken = true, true
	clear(w.outputs)
}

// ended tells that the session is over. The client has to end it before it goes.
func (w *watch) ended(ending string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
	if ending == EndEmulation && w.left {
		w.strictly("the client left a live session behind")
	}
	if ending == EndFlag && len(w.missing) > 0 {
		w.reportf("%d input numbers were never sent", len(w.missing))
	}
}

func (w *watch) resumedAfterEnd() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.overAt != 0 {
		w.reportf("ResumeSession after channel_closed")
	}
}

// muxBytes checks the bytes of the mux, in order.
func (w *watch) muxBytes(payload []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.mux.check(payload); err != nil {
		w.reportf("mux: %v", err)
	}
}
