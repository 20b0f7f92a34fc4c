package fidelity

import (
	"io"
	"math"
	"net"
	"sync"
	"testing"
)

// wire leads to the database, and can be cut. Its methods are safe for concurrent
// use.
type wire struct {
	listener net.Listener
	target   string
	running  sync.WaitGroup

	mu      sync.Mutex
	more    sync.Cond // something of the below has changed
	credit  int64     // bytes that the database may still say
	isCut   bool
	byReset bool
	open    map[*net.TCPConn]bool // both ends of each connection
}

// newWire leads to target until the test ends.
func newWire(t *testing.T, target string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{listener: l, target: target, open: make(map[*net.TCPConn]bool)}
	w.more.L = &w.mu
	w.mend()
	w.running.Go(w.accept)
	t.Cleanup(func() {
		l.Close()
		w.cut(true)
		w.running.Wait()
	})
	return w
}

func (w *wire) address() string { return w.listener.Addr().String() }

func (w *wire) accept() {
	for {
		c, err := w.listener.Accept()
		if err != nil {
			return
		}
		w.running.Go(func() { w.lead(c.(*net.TCPConn)) })
	}
}

// lead carries one connection until it is cut or has ended.
func (w *wire) lead(client *net.TCPConn) {
	server, err := net.Dial("tcp", w.target)
	if err != nil {
		client.Close()
		return
	}
	database := server.(*net.TCPConn)
	w.mu.Lock()
	w.open[client], w.open[database] = true, true
	if w.isCut {
		w.end(client, database)
	}
	w.mu.Unlock()
	var ways sync.WaitGroup
	ways.Go(func() {
		io.Copy(database, client)
		database.CloseWrite()
	})
	io.Copy(payer{client, w}, database)
	client.CloseWrite()
	ways.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.open, client)
	delete(w.open, database)
	client.Close()
	database.Close()
}

// payer writes as much as there is credit for, and waits for more.
type payer struct {
	*net.TCPConn
	wire *wire
}

func (p payer) Write(b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		size := p.wire.pay(len(b) - n)
		size, err = p.TCPConn.Write(b[n : n+size])
		n += size
	}
	return n, err
}

// ReadFrom hides TCPConn's, which would not ask for credit.
func (p payer) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{p}, r)
}

// pay takes up to size of the credit, and waits for some.
func (w *wire) pay(size int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.credit == 0 && !w.isCut {
		w.more.Wait()
	}
	if w.isCut {
		return size // its conn fails
	}
	size = int(min(w.credit, int64(size)))
	w.credit -= int64(size)
	return size
}

// stall lets the database say n more bytes.
func (w *wire) stall(n int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.credit = n
}

// cut ends all connections, and those that come, until mend: by a reset, or by the
// end of the stream.
func (w *wire) cut(byReset bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.isCut, w.byReset = true, byReset
	for c := range w.open {
		w.end(c)
	}
	w.more.Broadcast()
}

// end ends one side of a connection; mu is held.
func (w *wire) end(conns ...*net.TCPConn) {
	for _, c := range conns {
		if w.byReset {
			c.SetLinger(0)
			c.Close()
		} else {
			c.CloseWrite()
		}
	}
}

// mend lets everything pass again.
func (w *wire) mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.isCut, w.credit = false, math.MaxInt64
	w.more.Broadcast()
}
