package gateway

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// wire is a client's connection as the server sees it, with the Network
// between. As long as the Network is nothing it passes calls on; from its first
// setting on each direction goes through a flow and a goroutine.
//
// One goroutine may read and one may write. Write deadlines hold only without a
// Network.
type wire struct {
	net.Conn // the socket
	n        *network
	up, down *flow

	mu          sync.Mutex
	pumpsUp     bool
	pumpsDown   bool
	ended       bool // one of the pumps is through: there is no client any more
	closing     bool
	reading     bool      // a Read of the socket is under way
	interrupted bool      // and has been told to return
	deadline    time.Time // for reading
	cut         [2]bool   // in the next message, by Direction
}

func newWire(n *network, conn net.Conn) *wire {
	return &wire{Conn: conn, n: n, up: newFlow(n, ToAgent), down: newFlow(n, ToClient)}
}

// Read implements net.Conn.
func (w *wire) Read(b []byte) (int, error) {
	for w.startReading() {
		n, err := w.Conn.Read(b)
		if w.doneReading(b[:n], err) {
			return n, err
		}
	}
	return w.up.get(b)
}

// startReading says whether to read from the socket; from the first need for a
// flow on it is pumpUp that does.
func (w *wire) startReading() bool {
	needed := w.virtual(ToAgent)
	w.mu.Lock()
	defer w.mu.Unlock()
	if needed {
		w.startUp()
	}
	w.reading = !w.pumpsUp
	return w.reading
}

// doneReading says whether to return what was read. Otherwise the Network has
// changed meanwhile.
func (w *wire) doneReading(b []byte, err error) bool {
	needed := w.virtual(ToAgent)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reading = false
	if w.interrupted {
		w.interrupted = false
		_ = w.Conn.SetReadDeadline(w.deadline)
		if len(b) == 0 && errors.Is(err, os.ErrDeadlineExceeded) {
			return false // Read's loop returns a deadline of its own
		}
	}
	if !needed && !w.closing {
		return true
	}
	if len(b) > 0 {
		_ = w.up.put(piece{b: bytes.Clone(b)})
	}
	if len(b) == 0 && err != nil && !w.closing {
		return true
	}
	w.startUp()
	return false
}

// virtual says whether a direction needs its flow.
func (w *wire) virtual(way Direction) bool {
	if w.n.now() != (Network{}) || w.up.isLost() || w.down.isLost() {
		return true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return way == ToAgent && (w.cut[ToAgent] || w.closing)
}

// changed lets the wire look at the Network again.
func (w *wire) changed() {
	w.up.kick()
	w.down.kick()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.interrupt()
}

// interrupt ends a Read of the socket; w.mu is held.
func (w *wire) interrupt() {
	if w.reading {
		w.interrupted = true
		_ = w.Conn.SetReadDeadline(time.Unix(1, 0))
	}
}

// Write implements net.Conn.
func (w *wire) Write(b []byte) (int, error) {
	cut := w.cuts(ToClient)
	if cut {
		b = b[:len(b)/2]
	}
	if !w.startWriting() {
		n, err := w.Conn.Write(b)
		if cut {
			w.kill()
			err = net.ErrClosed
		}
		return n, err
	}
	for sent := 0; sent < len(b); {
		k := min(pieceSize, len(b)-sent)
		if err := w.down.put(piece{b: bytes.Clone(b[sent : sent+k])}); err != nil {
			return sent, err
		}
		sent += k
	}
	if cut {
		_ = w.down.put(piece{err: io.EOF})
		return len(b), net.ErrClosed
	}
	return len(b), nil
}

// startWriting says whether what is written goes through the flow.
func (w *wire) startWriting() bool {
	needed := w.virtual(ToClient)
	w.mu.Lock()
	defer w.mu.Unlock()
	if needed && !w.pumpsDown {
		w.pumpsDown = true
		w.n.goRun(w.pumpDown)
	}
	return w.pumpsDown
}

// Close sends what is under way, and then the end of the stream. Into a black
// hole nothing is sent, not even that: the socket is closed when the client
// does it.
func (w *wire) Close() error {
	w.mu.Lock()
	again, now := w.closing, w.ended
	w.closing = true
	w.mu.Unlock()
	if again {
		return nil
	}
	w.up.close()
	if now || !w.startWriting() {
		w.kill()
		return nil
	}
	w.mu.Lock()
	if w.reading {
		w.interrupt() // and Read starts the pump, which notices when the client goes
	} else {
		w.startUp()
	}
	w.mu.Unlock()
	w.n.goRun(func() { _ = w.down.put(piece{err: io.EOF}) })
	return nil
}

// SetDeadline implements net.Conn.
func (w *wire) SetDeadline(t time.Time) error {
	_ = w.SetWriteDeadline(t)
	return w.SetReadDeadline(t)
}

// SetReadDeadline implements net.Conn.
func (w *wire) SetReadDeadline(t time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.deadline = t
	switch {
	case w.pumpsUp:
		w.up.setDeadline(t)
	case !w.interrupted:
		return w.Conn.SetReadDeadline(t)
	}
	return nil
}

// startUp starts the pump that reads the socket; w.mu is held.
func (w *wire) startUp() {
	if w.pumpsUp {
		return
	}
	w.pumpsUp = true
	w.up.setDeadline(w.deadline)
	_ = w.Conn.SetReadDeadline(time.Time{})
	w.n.goRun(w.pumpUp)
}

// pumpUp takes from the socket until its end.
func (w *wire) pumpUp() {
	defer w.pumped()
	buf := make([]byte, pieceSize)
	for {
		n, err := w.Conn.Read(buf)
		if n > 0 && w.cuts(ToAgent) {
			n = (n + 1) / 2
			err = io.ErrUnexpectedEOF
			_ = w.Conn.Close()
		}
		if n > 0 {
			_ = w.up.put(piece{b: bytes.Clone(buf[:n])}) // closed: read on, to notice the end
		}
		if err != nil {
			_ = w.up.put(piece{err: err})
			return
		}
	}
}

// pumpDown gives to the socket, and closes it at the end.
func (w *wire) pumpDown() {
	defer w.pumped()
	buf := make([]byte, pieceSize)
	for {
		n, err := w.down.get(buf)
		if n > 0 {
			_, err = w.Conn.Write(buf[:n])
		}
		if err != nil {
			w.down.close()
			_ = w.Conn.Close()
			return
		}
	}
}

// pumped notes that a pump has ended, and so the connection.
func (w *wire) pumped() {
	w.mu.Lock()
	w.ended = true
	closing := w.closing
	w.mu.Unlock()
	if closing {
		w.kill()
	}
}

// kill closes the socket now; nothing under way arrives.
func (w *wire) kill() {
	_ = w.Conn.Close()
	w.up.close()
	w.down.close()
	w.n.mu.Lock()
	defer w.n.mu.Unlock()
	delete(w.n.wires, w)
}

// lose makes one direction a black hole.
func (w *wire) lose(way Direction) {
	if way == ToAgent {
		w.up.lose()
	} else {
		w.down.lose()
	}
	w.changed()
}

// cutNext ends the connection in the midst of the next bytes going way.
func (w *wire) cutNext(way Direction) {
	w.mu.Lock()
	w.cut[way] = true
	w.mu.Unlock()
	w.changed()
}

func (w *wire) cuts(way Direction) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cut[way]
}

// darkDown says whether bytes to the client are being lost.
func (w *wire) darkDown() bool { return w.n.now().BlackHoleDown || w.down.isLost() }

// dark says whether bytes of this connection are being lost, either way.
func (w *wire) dark() bool {
	n := w.n.now()
	return n.BlackHoleUp || n.BlackHoleDown || w.up.isLost() || w.down.isLost()
}
