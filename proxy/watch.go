package proxy

import (
	"errors"
	"net"
	"os"
	"time"
)

// watchSize bounds what a client may send before ReadyForQuery. More waits in
// its own socket, and the watch is over.
const watchSize = 4096

// watch reads from a client during its login, for the sole purpose of learning
// that it went away. What it reads is the relay's to send.
type watch struct {
	conn  net.Conn
	early []byte
	done  chan struct{}
}

// watchClient calls gone, from a goroutine of its own, when c ends or fails
// before stop is called.
func watchClient(c net.Conn, gone func(error)) *watch {
	w := &watch{conn: c, early: make([]byte, 0, watchSize), done: make(chan struct{})}
	go func() {
		defer close(w.done)
		for len(w.early) < cap(w.early) {
			n, err := c.Read(w.early[len(w.early):cap(w.early)])
			w.early = w.early[:len(w.early)+n]
			if err == nil {
				continue
			}
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				gone(clientGone(err))
			}
			return
		}
	}()
	return w
}

// stop ends the watch, waits for its goroutine and returns what was read. The
// conn has no read deadline afterwards.
func (w *watch) stop() []byte {
	w.conn.SetReadDeadline(longAgo)
	<-w.done
	w.conn.SetReadDeadline(time.Time{})
	if len(w.early) == 0 {
		return nil // and not its room, for as long as the session rests
	}
	return w.early
}
