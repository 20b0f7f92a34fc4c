package gateway

import (
	"net"
	"os"
	"sync"
	"time"
)

// flow is one direction of a wire: pieces, each with the time of its arrival.
// One goroutine puts, one gets.
type flow struct {
	n   *network
	way Direction

	wake chan struct{} // cap 1: for the one that gets
	room chan struct{} // cap 1: for the one that puts

	mu       sync.Mutex
	pieces   []piece
	size     int
	free     time.Time // when the line has transmitted everything so far
	last     time.Time // arrival of the newest piece
	lost     bool      // bytes were swallowed: nothing is delivered any more
	closed   bool
	deadline time.Time // of get
}

// piece is some bytes, or the end of the stream.
type piece struct {
	b   []byte
	err error
	due time.Time
}

func newFlow(n *network, way Direction) *flow {
	return &flow{n: n, way: way, wake: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// kick makes both sides look again.
func (f *flow) kick() {
	signal(f.wake)
	signal(f.room)
}

// put sends p, which it keeps, on its way. It waits while too much is under
// way, until close: net.ErrClosed.
func (f *flow) put(p piece) error {
	f.mu.Lock()
	for !f.closed && !f.lost && f.size > 0 && f.size+len(p.b) > f.n.now().capacity(f.way) {
		f.mu.Unlock()
		<-f.room
		f.mu.Lock()
	}
	defer f.mu.Unlock()
	if f.closed {
		return net.ErrClosed
	}
	settings := f.n.now()
	if f.lost || settings.black(f.way) {
		f.lost = true
		return nil
	}
	now := time.Now()
	if f.free.Before(now) {
		f.free = now
	}
	if rate := settings.rate(f.way); rate > 0 {
		f.free = f.free.Add(time.Duration(float64(len(p.b)) / float64(rate) * float64(time.Second)))
	}
	p.due = f.free.Add(settings.delay())
	if p.due.Before(f.last) {
		p.due = f.last
	}
	f.last = p.due
	f.pieces = append(f.pieces, p)
	f.size += len(p.b)
	signal(f.wake)
	return nil
}

// get waits for what has arrived. Errors: the end that was put,
// os.ErrDeadlineExceeded, net.ErrClosed.
func (f *flow) get(b []byte) (int, error) {
	for {
		n, wait, err := f.take(b)
		if n > 0 || err != nil {
			return n, err
		}
		var alarm <-chan time.Time
		if wait > 0 {
			alarm = time.After(wait)
		}
		select {
		case <-f.wake:
		case <-alarm:
		}
	}
}

// take gets what is there; without anything it says how long to wait, zero for
// no limit.
func (f *flow) take(b []byte) (n int, wait time.Duration, err error) {
	outage := f.n.now().Outage
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	if f.closed {
		return 0, 0, net.ErrClosed
	}
	if !f.deadline.IsZero() {
		if wait = f.deadline.Sub(now); wait <= 0 {
			return 0, 0, os.ErrDeadlineExceeded
		}
	}
	for !outage && n < len(b) && len(f.pieces) > 0 {
		p := &f.pieces[0]
		if rest := p.due.Sub(now); rest > 0 {
			if wait == 0 || rest < wait {
				wait = rest
			}
			break
		}
		if p.err != nil {
			if n == 0 {
				err = p.err
			}
			break
		}
		k := copy(b[n:], p.b)
		n += k
		f.size -= k
		if p.b = p.b[k:]; len(p.b) == 0 {
			f.pieces[0] = piece{}
			f.pieces = f.pieces[1:]
		}
		signal(f.room)
	}
	return n, wait, err
}

// lose swallows everything from now on.
func (f *flow) lose() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lost = true
	signal(f.room)
}

func (f *flow) isLost() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lost
}

func (f *flow) setDeadline(t time.Time) {
	f.mu.Lock()
	f.deadline = t
	f.mu.Unlock()
	f.kick()
}

// close wakes both sides, for good.
func (f *flow) close() {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	signal(f.wake)
	signal(f.room)
}
