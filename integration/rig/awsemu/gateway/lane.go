package gateway

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// laneLimit is how many bytes a lane holds before put waits. Without the agent's pace a
// busy machine takes seconds for each megabyte, and acknowledgements wait behind those
// in the lane: with 16 MiB for longer than a client's patience.
const laneLimit = 2 << 20

// parcel is a message under way.
type parcel struct {
	frame []byte
	text  bool
	last  bool // channel_closed: the websocket is closed after it
	due   time.Time
	n     uint64
}

// lane carries messages one way, in order of their due times.
type lane struct {
	mu      sync.Mutex
	parcels parcelHeap
	n       uint64
	size    int
	wake    chan struct{} // cap 1: there is something new to get
	room    chan struct{} // closed when there is room again; nil when nobody waits
}

func newLane() *lane { return &lane{wake: make(chan struct{}, 1)} }

// put adds p, due after a while; it waits while the lane is full, until ctx ends.
func (l *lane) put(ctx context.Context, p parcel, after time.Duration) error {
	l.mu.Lock()
	for l.size > 0 && l.size+len(p.frame) > laneLimit {
		if l.room == nil {
			l.room = make(chan struct{})
		}
		room := l.room
		l.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return ctx.Err()
		}
		l.mu.Lock()
	}
	l.n++
	p.n, p.due = l.n, time.Now().Add(after)
	l.size += len(p.frame)
	heap.Push(&l.parcels, p)
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
	return nil
}

// get waits for the next due parcel, until ctx ends. One goroutine at a time.
func (l *lane) get(ctx context.Context) (parcel, error) {
	for {
		if err := ctx.Err(); err != nil {
			return parcel{}, err
		}
		l.mu.Lock()
		var wait <-chan time.Time
		if len(l.parcels) > 0 {
			rest := time.Until(l.parcels[0].due)
			if rest <= 0 {
				p := heap.Pop(&l.parcels).(parcel)
				l.size -= len(p.frame)
				l.free()
				l.mu.Unlock()
				return p, nil
			}
			wait = time.After(rest)
		}
		l.mu.Unlock()
		select {
		case <-l.wake:
		case <-wait:
		case <-ctx.Done():
		}
	}
}

// clear throws everything away.
func (l *lane) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.parcels, l.size = nil, 0
	l.free()
}

// free wakes those who wait for room; l.mu is held.
func (l *lane) free() {
	if l.room != nil {
		close(l.room)
		l.room = nil
	}
}

type parcelHeap []parcel

func (h parcelHeap) Len() int      { return len(h) }
func (h parcelHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *parcelHeap) Push(x any)   { *h = append(*h, x.(parcel)) }

func (h parcelHeap) Less(i, j int) bool {
	if !h[i].due.Equal(h[j].due) {
		return h[i].due.Before(h[j].due)
	}
	return h[i].n < h[j].n
}

func (h *parcelHeap) Pop() any {
	old := *h
	p := old[len(old)-1]
	old[len(old)-1] = parcel{}
	*h = old[:len(old)-1]
	return p
}
