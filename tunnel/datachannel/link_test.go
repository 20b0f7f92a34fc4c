package datachannel

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// The fakes below are the other side of the wire. They read and make messages
// with code of their own, so that a mistake of the codec cannot hide.

var errLinkClosed = errors.New("link closed")

// fault says what happens to one frame on its way.
type fault struct {
	lose  bool
	twice bool
	hold  int // frames that overtake it
}

// link is a Transport in memory with the agent at its other end.
type link struct {
	up, down *pipe
	closed   chan struct{}
	once     sync.Once
	blocked  chan struct{}             // not nil: WriteMessage waits for it, or for Close
	died     atomic.Pointer[time.Time] // nil: it answers every ping
}

func newLink(a *agent, latency time.Duration) *link {
	l := &link{closed: make(chan struct{})}
	l.up = &pipe{latency: latency, closed: l.closed, out: make(chan parcel, 1<<16)}
	l.down = &pipe{latency: latency, closed: l.closed, out: make(chan parcel, 1<<16)}
	go func() { // ends with the link
		for {
			frame, err := l.up.receive()
			if err != nil {
				return
			}
			a.receive(l, frame)
		}
	}()
	return l
}

func (l *link) ReadMessage() ([]byte, error) { return l.down.receive() }

func (l *link) WriteMessage(p []byte) error {
	if l.blocked != nil {
		select {
		case <-l.blocked:
		case <-l.closed:
		}
	}
	select {
	case <-l.closed:
		return errLinkClosed
	default:
		l.up.send(bytes.Clone(p))
		return nil
	}
}

func (l *link) Heard() time.Time {
	if died := l.died.Load(); died != nil {
		return *died
	}
	return time.Now()
}

func (l *link) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// parcel is a frame and when it arrives.
type parcel struct {
	at    time.Time
	frame []byte
}

// pipe is one direction of a link.
type pipe struct {
	latency time.Duration
	closed  chan struct{}
	out     chan parcel

	mu     sync.Mutex
	faults func(frame []byte) fault // nil: none
	held   []heldParcel
}

type heldParcel struct {
	frame []byte
	left  int
}

func (p *pipe) send(frame []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var f fault
	if p.faults != nil {
		f = p.faults(frame)
	}
	if f.lose {
		return
	}
	if f.hold > 0 {
		p.held = append(p.held, heldParcel{frame, f.hold})
		return
	}
	p.put(frame)
	if f.twice {
		p.put(frame)
	}
	for i := range p.held {
		p.held[i].left--
	}
	p.held = slices.DeleteFunc(p.held, func(h heldParcel) bool {
		if h.left == 0 {
			p.put(h.frame)
		}
		return h.left == 0
	})
}

func (p *pipe) put(frame []byte) {
	select {
	case p.out <- parcel{time.Now().Add(p.latency), bytes.Clone(frame)}:
	case <-p.closed:
	}
}

func (p *pipe) receive() ([]byte, error) {
	select {
	case <-p.closed:
		return nil, errLinkClosed
	case x := <-p.out:
		if wait := time.Until(x.at); wait > 0 {
			select {
			case <-p.closed:
				return nil, errLinkClosed
			case <-time.After(wait):
			}
		}
		return x.frame, nil
	}
}

// rough makes a network that loses, duplicates and reorders percent of frames
// each.
func rough(random *rand.Rand, percent int) func([]byte) fault {
	return func([]byte) fault {
		switch n := random.IntN(100); {
		case n < percent:
			return fault{lose: true}
		case n < 2*percent:
			return fault{twice: true}
		case n < 3*percent:
			return fault{hold: 1 + random.IntN(8)}
		}
		return fault{}
	}
}
