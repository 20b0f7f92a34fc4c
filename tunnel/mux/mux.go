package mux

import (
	"fmt"
	"math"
	"sync"
	"time"
)

// Config sets the bounds of a Mux. Zero and negative values mean the default.
type Config struct {
	// MaxStreamBuffer is how many received bytes one stream may hold unread
	// before it fails with ErrStreamOverflow. Default 16 MiB: some 18 s of the
	// agent's full pace.
	MaxStreamBuffer int

	// MaxSendBuffer is how many bytes one stream may hold unsent before Write
	// blocks. Default 64 KiB.
	MaxSendBuffer int

	// MaxWaiting is how many streams may wait for the agent's first byte or FIN.
	// Default 64, far from the 1024 of the agent's accept queue.
	MaxWaiting int
}

// firstID is the library's first client id; the following ones rise by 2.
const firstID = 3

// Mux is the client end of one smux connection. All methods are safe for
// concurrent use; Deliver's calls must be in the order of the bytes.
type Mux struct {
	cfg    Config
	wake   chan struct{} // cap 1; see Ready
	chunks sync.Pool     // of *chunk, shared by the buffers of all streams

	mu       sync.Mutex
	err      error              // set by Fail
	nextID   uint64             // beyond 32 bits: used up
	streams  map[uint32]*Stream // until both sides have sent FIN
	open     int                // streams not yet closed by their owner
	waiting  int                // streams without data or FIN since their SYN
	ready    turns              // streams with something to send
	nop      bool               // a NOP is to be sent
	in       incoming
	refusals int // dials that failed and whose FIN has not come yet
	sent     int64
	received int64
	queued   int // bytes of all streams that wait to be sent
	crowd    crowd

	unanswered int // of all streams
}

// New returns a Mux without streams.
func New(cfg Config) *Mux {
	if cfg.MaxStreamBuffer <= 0 {
		cfg.MaxStreamBuffer = 16 << 20
	}
	if cfg.MaxSendBuffer <= 0 {
		cfg.MaxSendBuffer = 64 << 10
	}
	if cfg.MaxWaiting <= 0 {
		cfg.MaxWaiting = 64
	}
	return &Mux{
		cfg:     cfg,
		wake:    make(chan struct{}, 1),
		nextID:  firstID,
		streams: make(map[uint32]*Stream),
	}
}

// OpenStream makes a stream and queues its SYN. It does not wait: whether the
// agent could connect shows at the first Read. The SYN leaves with the first
// Write, or alone once Read waits; a stream that does neither may stay unknown
// to the agent.
//
// The error is ErrTooMany, ErrIDsExhausted, or ErrClosed with Fail's reason.
func (m *Mux) OpenStream() (*Stream, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.err != nil:
		return nil, m.err
	case m.nextID > math.MaxUint32:
		return nil, ErrIDsExhausted
	case m.waiting >= m.cfg.MaxWaiting:
		return nil, ErrTooMany
	}
	s := newStream(m, uint32(m.nextID))
	m.nextID += 2
	m.streams[s.id] = s
	m.open++
	m.waiting++
	m.ready.push(s)
	return s, nil
}

// Fail ends the Mux: every blocked call of every stream returns, and those and
// all later ones give an error that wraps ErrClosed and reason. Bytes already
// received can still be read first. A stream that the agent ended before keeps
// its io.EOF. Only the first call has an effect.
func (m *Mux) Fail(reason error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail(reason)
}

// fail is Fail with m.mu held.
func (m *Mux) fail(reason error) {
	if m.err != nil {
		return
	}
	m.err = ErrClosed
	if reason != nil {
		m.err = fmt.Errorf("%w: %w", ErrClosed, reason)
	}
	for _, s := range m.streams {
		s.fail(m.err)
		m.ready.remove(s)
	}
	clear(m.streams)
	m.nop = false
	m.waiting, m.unanswered = 0, 0
}

// Unanswered returns how many bytes have been handed to the carrier for streams
// that have got nothing back since. The agent takes 4 MiB that its targets do not
// take, of all streams together; then it takes nothing any more.
func (m *Mux) Unanswered() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.unanswered
}

// Shared says whether several streams are open.
func (m *Mux) Shared() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.open > 1
}

// Stats is a snapshot of a Mux.
type Stats struct {
	Streams  int   // open ones: not yet closed by their owner
	Waiting  int   // without any byte or FIN since their SYN, closed ones included
	Known    int   // whose id is in use: open, or closed and not yet ended by the agent
	Sent     int64 // stream bytes handed to the carrier, headers not counted
	Received int64 // stream bytes from the carrier, those of closed streams included

	// LongestWait is how long the first data of a stream has been away without
	// any answer, at most. The agent dials one stream at a time: a long wait tells
	// that all later streams wait as well.
	LongestWait time.Duration
}

// Stats returns the current numbers.
func (m *Mux) Stats() Stats {
	m.mu.Lock()
	defer m.mu.Unlock()
	stats := Stats{Streams: m.open, Waiting: m.waiting, Known: len(m.streams), Sent: m.sent, Received: m.received}
	if m.waiting > 0 {
		now := time.Now()
		for _, s := range m.streams {
			stats.LongestWait = max(stats.LongestWait, s.wait(now))
		}
	}
	return stats
}
