package proxy

import (
	"errors"
	"sync"
	"time"
)

const (
	// stallLook is how often a client is looked after while a write of what it
	// sent waits for the database.
	stallLook = 2 * time.Second

	// stallPatience is how long such a write may wait once the client has closed
	// its way to us: it may be one that half-closes and waits for its answer, and
	// a tunnel takes 15 s to replace a dead websocket.
	stallPatience = 30 * time.Second
)

// errLeftStalled is how a session ends whose client left while the database took
// nothing.
var errLeftStalled = errors.New("client closed the connection while the database accepted nothing")

// stallWatch looks after the client while the upload waits in a write. Nobody
// reads from the client then, so nobody else would learn that it left.
//
// begin and end are for one goroutine. Nothing happens after end has returned.
type stallWatch struct {
	ask  func() presence
	left func() // is called once, when the client has left

	mu      sync.Mutex
	timer   *time.Timer
	writing bool
	sentAll time.Time // since when, in this write
}

// begin is called before each write.
func (w *stallWatch) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writing, w.sentAll = true, time.Time{}
	if w.timer == nil {
		w.timer = time.AfterFunc(stallLook, w.look)
	} else {
		w.timer.Reset(stallLook)
	}
}

// end is called after it.
func (w *stallWatch) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writing = false
	w.timer.Stop()
}

func (w *stallWatch) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.writing {
		return
	}
	now := time.Now()
	switch w.ask() {
	case gone:
		w.left()
		return
	case sentAll:
		if w.sentAll.IsZero() {
			w.sentAll = now
		}
		if now.Sub(w.sentAll) >= stallPatience {
			w.left()
			return
		}
	}
	w.timer.Reset(stallLook)
}
