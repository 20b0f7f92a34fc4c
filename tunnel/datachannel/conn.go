package datachannel

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"sync"
	"time"
)

const (
	// A transport that is lost before the agent has spoken on it is followed by a
	// pause before the next, doubling up to the longest. Connect's own waiting
	// knows nothing of these: it succeeded.
	firstPause   = 200 * time.Millisecond
	longestPause = 5 * time.Second

	// lastWords is how long messages are still read when writing has failed. Who
	// ended the channel has said why before, and the words may lie unread.
	lastWords = time.Second

	// flushSize is how many bytes of messages go out in one write at most: a TLS
	// record's worth, more or less.
	flushSize = 16 << 10

	// repeatSince is how old an acknowledge may be to be repeated on a new
	// transport. The old one may have been dead for so long.
	repeatSince = 30 * time.Second
)

// Conn is the client side of one data channel. Its methods are safe for
// concurrent use.
type Conn struct {
	cfg   Config
	log   *slog.Logger
	ready chan struct{}
	done  chan struct{} // closed when Run returns
	wake  chan struct{} // holds a value when the writer has something to look at
	room  chan struct{} // holds a value when acks may have room again

	mu        sync.Mutex // no line is logged under it: the log may block
	started   bool
	err       error  // why the session ends; the first reason stays
	cancel    func() // ends what Run does, when err is set
	phase     State  // handshake, probing or carrying
	attached  bool   // there is a transport
	connected time.Time
	away      time.Time // since when no transport has brought a word of the agent; zero: the latest has
	loss      error     // why the transport was lost
	alive     time.Time // sign of life of the transport
	revived   time.Time // the first one after a long time
	spoke     time.Time // when the agent spoke last
	spell     time.Time // since when it does without falling silent
	replaced  int64     // the message whose silence cost a transport, or -1
	checked   check

	agentVersion string
	handshake    time.Time   // when an agent that came at once is to have done it
	patient      *time.Timer // ends the wait for the agent, then for the handshake
	arrived      bool        // the agent has shown itself
	answered     bool        // the HandshakeRequest
	refusal      error       // ends the session once the answer is written
	keepAlive    bool        // the agent wants a NOP every keepAliveInterval
	nextNOP      time.Time
	outbox       []control // goes before stream bytes, whatever the window says
	probe        int64     // its number, or -1
	flag         int64     // number of the terminate flag, or -1
	terminating  bool
	confirmed    bool // the agent or the service know of the end

	acks     acks
	acksAt   time.Time // when those that wait are to go out
	beat     beat
	quickest time.Duration // from the making of a message to its arrival, by two clocks
	ackRun   int           // acknowledges written since something else was tried
	ackBuf   []byte
	window   window
	reorder  reorder
	repair   time.Time // the log has told of one; zero: there is none
	paused   time.Time // pause_publication came then; zero: not paused
	lifted   time.Time // a pause ended then
	unknown  map[string]bool
	stats    Stats // counters only
	traffic  meter

	lastData  time.Time // when stream bytes went out last
	gathering time.Time // until when the next wait for more
}

// New checks cfg and starts nothing.
func New(cfg Config) (*Conn, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Conn{
		cfg:      cfg,
		log:      cfg.Log,
		ready:    make(chan struct{}),
		done:     make(chan struct{}),
		wake:     make(chan struct{}, 1),
		room:     make(chan struct{}, 1),
		phase:    StateHandshake,
		probe:    -1,
		flag:     -1,
		replaced: -1,
		quickest: math.MaxInt64,
		window:   window{pace: newPace(cfg.MaxWindow)},
		reorder:  newReorder(cfg.MaxReorder),
		unknown:  make(map[string]bool),
	}, nil
}

// Run connects, shakes hands and carries Stream, on one Transport after the
// other, until the session ends. It blocks, may be called once, and leaves no
// goroutine and no Transport behind.
//
// It returns the reason, never nil: *ChannelClosedError, *HandshakeError,
// ErrHandshakeTimeout, ErrPeerSilent, ErrGap, ErrTerminated, an error of Connect
// or of Stream.Deliver, or the cause of ctx, whose end stops all at once without
// a word to the agent.
func (c *Conn) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := c.start(cancel); err != nil {
		return err
	}
	c.fail(c.run(ctx)) // unless there is a reason already
	close(c.done)
	return c.reason()
}

// Ready is closed once streams are carried: the handshake is done and the first
// NOP was acknowledged. It stays open when the session ends before.
func (c *Conn) Ready() <-chan struct{} { return c.ready }

// AgentVersion is "" before the handshake.
func (c *Conn) AgentVersion() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.agentVersion
}

// start notes how to end what Run does.
func (c *Conn) start(cancel func()) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.started {
		return errors.New("datachannel: Run was called before")
	}
	c.started, c.cancel = true, cancel
	if c.err != nil {
		cancel()
	}
	return nil
}

// run goes from transport to transport. What it returns counts only when the
// Conn has no reason of its own.
func (c *Conn) run(ctx context.Context) error {
	first := true
	pause := time.Duration(0)
	for {
		if err := sleep(ctx, pause); err != nil {
			return err
		}
		t, err := c.cfg.Connect(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return err
		}
		if first {
			first = false
			c.awaitAgent()
			defer c.patient.Stop()
		}
		if resumed := c.attach(time.Now()); resumed {
			c.log.Debug("data channel has a new transport", "unacknowledged", c.Stats().Unacknowledged)
		}
		c.carry(ctx, t)
		now := time.Now()
		heard, away, loss := c.detach(now)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		c.outage()
		c.log.Debug("data channel lost its transport", "error", loss)
		switch {
		case heard:
			pause = 0
		case now.Sub(away) >= c.cfg.OutageTimeout:
			return ErrPeerSilent
		default:
			pause = min(max(2*pause, firstPause), longestPause)
		}
	}
}

// carry runs the reader and the writer of one transport until it is lost or ctx
// ends. Both are gone and t is closed when it returns.
func (c *Conn) carry(ctx context.Context, t Transport) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		<-ctx.Done()
		t.Close() // wakes both
	})
	wg.Go(func() {
		defer cancel()
		c.read(ctx, t)
	})
	if broken := c.write(ctx, t); broken {
		_ = sleep(ctx, lastWords) // or until the reader has ended
	}
	cancel()
	wg.Wait()
}

// read takes messages until the transport or the session ends. While too many
// acknowledges wait to be written it does not read.
func (c *Conn) read(ctx context.Context, t Transport) {
	for c.awaitRoom(ctx) {
		frame, err := t.ReadMessage()
		if err != nil {
			c.lost(err)
			return
		}
		if err := c.receive(time.Now(), frame); err != nil {
			c.fail(err)
			return
		}
	}
}

// write sends what next has until the transport or the session ends, in one go what
// is there at once. broken says that the transport took no more.
func (c *Conn) write(ctx context.Context, t Transport) (broken bool) {
	flush := func() error { return nil }
	if f, ok := t.(flusher); ok {
		flush = f.Flush
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	unflushed := 0
	for ctx.Err() == nil {
		frame, until, err := c.next(time.Now(), t.Heard())
		if errors.Is(err, errDeaf) {
			c.lost(err)
			return false
		}
		if err != nil {
			if _, refused := errors.AsType[*HandshakeError](err); refused {
				_ = flush() // the agent shall hear why
			}
			c.fail(err)
			return false
		}
		if frame != nil {
			unflushed += len(frame)
			if err := t.WriteMessage(frame); err != nil {
				c.lost(err)
				return true
			}
		}
		if unflushed >= flushSize || frame == nil && unflushed > 0 {
			unflushed = 0
			if err := flush(); err != nil {
				c.lost(err)
				return true
			}
			continue // time has passed
		}
		if frame != nil {
			continue
		}
		var alarm <-chan time.Time
		if !until.IsZero() {
			timer.Reset(time.Until(until))
			alarm = timer.C
		}
		select {
		case <-ctx.Done():
		case <-c.wake:
		case <-c.cfg.Stream.Ready():
		case <-alarm:
		}
	}
	return false
}

// attach prepares for a new transport: all that is unacknowledged is to be sent
// again, and something at least, because any input ends a pause of the agent. It
// says whether there was one before.
func (c *Conn) attach(now time.Time) (resumed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	resumed = !c.connected.IsZero()
	if resumed {
		c.stats.Resumes++
	} else {
		c.away = now
	}
	c.attached, c.connected, c.loss = true, now, nil
	c.paused, c.lifted = time.Time{}, time.Time{}
	c.window.replay()
	c.reorder.restart(now)
	c.acks.repeat(0, now.Add(-repeatSince), now)
	c.acksAt = now
	c.beat.heard = false
	c.reached(now)
	if c.phase == StateCarrying && c.window.empty() {
		c.cfg.Stream.SendNOP()
	}
	return resumed
}

// detach says whether the agent spoke on the transport, since when it is out of
// reach, and why the transport was lost.
func (c *Conn) detach(now time.Time) (heard bool, away time.Time, loss error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.attached = false
	if heard = c.away.IsZero(); heard {
		c.away = now
	}
	return heard, c.away, c.loss
}

// outage counts a transport that was lost.
func (c *Conn) outage() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stats.Outages++
}

// lost notes why the transport ended; the first reason counts, for the second
// comes of closing it.
func (c *Conn) lost(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.loss == nil {
		c.loss = err
	}
}

// kick makes the writer look again. It never waits.
func (c *Conn) kick() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// awaitRoom waits until one more acknowledge can be queued. It is false when ctx
// has ended.
func (c *Conn) awaitRoom(ctx context.Context) bool {
	for {
		c.mu.Lock()
		full := c.acks.full()
		c.mu.Unlock()
		if !full {
			return ctx.Err() == nil
		}
		select {
		case <-ctx.Done():
			return false
		case <-c.room:
		}
	}
}

// sleep waits for d, or for ctx to end, and then returns its cause.
func sleep(ctx context.Context, d time.Duration) error {
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
	}
	return context.Cause(ctx)
}
