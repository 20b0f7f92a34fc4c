package proxy

import (
	"net"
	"time"
)

// firstByte is a conn that is closed when its first byte does not come in time.
// Read and giveUp are for one goroutine until giveUp has returned.
type firstByte struct {
	net.Conn
	timer *time.Timer
	fired chan struct{} // closed after the timer has closed the conn
	came  bool
	late  bool
}

// awaitFirstByte gives c patience to deliver a byte. giveUp must be called.
func awaitFirstByte(c net.Conn, patience time.Duration) *firstByte {
	w := &firstByte{Conn: c, fired: make(chan struct{})}
	w.timer = time.AfterFunc(patience, func() { defer close(w.fired); c.Close() })
	return w
}

// Read is the conn's, and ends the wait.
func (w *firstByte) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if n > 0 && !w.came {
		w.came = true
		w.stop()
	}
	return n, err
}

// giveUp ends the wait. late says that the time ran out and the conn is closed,
// came that there was a byte.
func (w *firstByte) giveUp() (late, came bool) {
	if !w.came {
		w.stop()
	}
	return w.late, w.came
}

// stop stops the timer, or waits for what it does.
func (w *firstByte) stop() {
	if w.late = !w.timer.Stop(); w.late {
		<-w.fired
	}
}
