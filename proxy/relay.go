package proxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pgkeyless/pgkeyless/proxy/eventloop"
)

const (
	// bufferSize is one TLS record's plaintext: a read from the database gives no
	// more at once, and a write to it costs one record.
	bufferSize = 16 << 10
	// restSize is how much a way holds that waits: questions and short answers
	// fit, and what is longer takes a buffer from the pool for as long as it comes.
	restSize = 2 << 10
)

// Reasons for a session's end, as logged.
const (
	reasonClientLeft     = "client closed during login"
	reasonLoginFailed    = "login failed"
	reasonClientClosed   = "client closed"
	reasonClientLost     = "client connection lost"
	reasonDatabaseClosed = "database closed"
	reasonDatabaseLost   = "database connection lost"
	reasonShutdown       = "proxy shut down"
	reasonDisconnected   = "disconnected on request"
)

// relay carries bytes between a client and its database.
type relay struct {
	client  net.Conn
	server  *upstream
	linger  time.Duration
	loops   *eventloop.Group
	buffers *sync.Pool // of *[bufferSize]byte
	name    string     // of the database, for people
	traffic *traffic
	// over is Route.Ended.
	over func(age time.Duration) error
	// failover is called once, with the SQLSTATE by which the database says that it is not
	// the right one any more; nil: nobody wants to know.
	failover func(state string)

	looped  eventloop.Result // how the loop ended, if there was one
	ending  atomic.Bool
	shut    atomic.Bool // the proxy ends the session
	asked   atomic.Bool // Disconnect did
	said    atomic.Bool // the client has sent Terminate
	once    sync.Once
	reason  string // of the way that ended first
	err     error  // its error; nil at a clean end
	refused error  // why the database has taken no more, for reading after run
}

// terminateMessage is what clients end a session with.
var terminateMessage = []byte{'X', 0, 0, 0, 4}

// notice looks for a Terminate in what the client says, to tell a database that
// closed by itself from one that was asked to. It is a guess by the last bytes of a
// write. Data may end like that too, but then more comes.
func (r *relay) notice(p []byte) {
	r.said.Store(bytes.HasSuffix(p, terminateMessage))
}

// sent and received take note of what a loop carries.
func (r *relay) sent(p []byte) {
	r.notice(p)
	r.traffic.sent(len(p))
}

func (r *relay) received(p []byte) {
	r.server.boundary.follow(p)
	r.traffic.received(len(p))
	if r.failover != nil && len(p) <= maxLook {
		if state := failOverIn(p); state != "" {
			r.failedOver(state)
		}
	}
}

// failedOver calls failover.
func (r *relay) failedOver(state string) {
	if r.failover != nil {
		r.failover(state)
		r.failover = nil
	}
}

// toServer notices what is written, and looks after the client meanwhile.
type toServer struct {
	*upstream
	notice func([]byte)
	stall  *stallWatch
}

func (w toServer) Write(p []byte) (int, error) {
	w.notice(p)
	w.stall.begin()
	defer w.stall.end()
	return w.upstream.Write(p)
}

// start begins to copy both ways, and calls done when both have ended, in a goroutine
// that ends with it. early is what the client has sent already.
//
// Sockets are relayed by an event loop until one way ends, without a goroutine that
// waits; what comes after that, and all of it where there is no loop, is for run.
func (r *relay) start(ctx context.Context, early []byte, done func()) {
	goOn := func(looped eventloop.Result) {
		if r.looped = looped; !looped.Refused {
			early = nil
		}
		r.run(ctx, early)
		done()
	}
	if !r.loops.Relay(ctx, r.client, r.server.Conn, early, r.sent, r.received, goOn) {
		go goOn(eventloop.Result{Refused: true})
	}
}

// run copies both ways until both have ended, on two goroutines. It owns the other
// one, which does not outlive the call. Cancelling ctx
// closes both conns, which wakes blocked reads and writes: the client's after it
// was told why, for which it has farewell.
//
// When one way ends, the other goes on for as long as it moves: linger without
// a byte ends it. A database that closes gets its last words to the client.
func (r *relay) run(ctx context.Context, early []byte) {
	closed, downloaded := make(chan struct{}), make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(closed)
		reason := reasonShutdown
		if errors.Is(context.Cause(ctx), errDisconnected) {
			reason = reasonDisconnected
			r.asked.Store(true)
		}
		r.shut.Store(true)
		r.end(reason, nil)
		cut(r.server.raw)
		select {
		case <-downloaded:
		case <-time.After(farewell):
		}
		cut(r.client)
	})
	defer func() {
		if !stop() {
			<-closed
		}
	}()
	var both sync.WaitGroup
	both.Go(func() { r.upload(early) })
	r.download()
	close(downloaded)
	both.Wait()
	if r.refused != nil {
		r.end(reasonDatabaseLost, r.lost(r.refused)) // it has not said why within linger
	}
}

// end notes why the session ended, once.
func (r *relay) end(reason string, err error) {
	r.once.Do(func() { r.reason, r.err = reason, err })
	r.ending.Store(true)
}

// upload carries the client's bytes. A client's end of stream becomes a TLS
// close_notify and not a FIN of the stream beneath: through a tunnel that would
// close both directions and lose the database's answer.
func (r *relay) upload(early []byte) {
	socket := beneath(r.client)
	stall := &stallWatch{ask: func() presence { return presenceOf(socket) }, left: r.clientLeft}
	reading, err := r.copy(toServer{r.server, r.notice, stall}, r.client, early, r.traffic.sent, eventloop.Up)
	switch {
	case !reading: // what the database has said before tells more
		r.refused = err
		r.ending.Store(true)
	case errors.Is(err, io.EOF):
		r.end(reasonClientClosed, nil)
	default:
		r.end(reasonClientLost, err)
	}
	r.hurry(r.server, r.client)
	r.server.CloseWrite()
}

// clientLeft ends a session whose client is not there any more.
func (r *relay) clientLeft() {
	r.end(reasonClientLost, errLeftStalled)
	cut(r.client)
	cut(r.server.raw)
}

// download carries the database's bytes, and its end.
func (r *relay) download() {
	var client net.Conn = followed{r.client, &r.server.boundary}
	whole := &holdback{Conn: client, buffers: r.buffers, come: r.server.boundary}
	if _, ok := r.server.raw.(retirer); ok {
		client = &toClient{Conn: whole, found: func(state string) {
			r.server.retire(failOverReason(state))
			r.failedOver(state)
		}}
		whole.keep(r.server.begun)
		whole.come.follow(r.server.begun)
	} else if r.failover != nil {
		client = &toClient{Conn: client, found: r.failedOver}
	}
	reading, err := r.copy(client, r.server, nil, r.traffic.received, eventloop.Down)
	abrupt, planned := false, false
	if reading {
		err, abrupt = r.explained(err)
		if why := r.expected(err, time.Now()); why != nil {
			err, abrupt, planned = why, true, true
		}
	}
	switch {
	case !reading:
		r.end(reasonClientLost, err)
	case planned:
		r.end(reasonDatabaseClosed, err)
	case r.said.Load():
		r.end(reasonClientClosed, nil)
	case errors.Is(err, io.EOF):
		r.end(reasonDatabaseClosed, nil)
	case !ownDoing(err):
		r.end(reasonDatabaseLost, err)
	}
	if !abrupt || r.said.Load() {
		whole.flush() // what the database has said to the end is the client's
	}
	whole.forget()
	if abrupt {
		r.tell(err) // the client closes then, which must not count as the end
	}
	r.hurry(r.client, r.server)
	halfClose(r.client)
}

// hurry gives the way that is left linger for what it is blocked in: reading
// from a, writing to b.
func (r *relay) hurry(a, b net.Conn) {
	deadline := time.Now().Add(r.linger)
	a.SetReadDeadline(deadline)
	b.SetWriteDeadline(deadline)
}

// copy writes to dst what src sends, after first, until either fails; io.EOF is
// a clean end. reading says which one it was. It goes on where a loop stopped.
func (r *relay) copy(dst, src net.Conn, first []byte, count func(int), way eventloop.Way) (reading bool, err error) {
	if r.looped.Ended == way && !r.looped.Reading {
		return false, r.looped.Err
	}
	if err := r.flush(dst, src); err != nil {
		return false, err
	}
	if r.looped.Ended == way {
		return true, r.looped.Err
	}
	rest := make([]byte, restSize)
	var large *[bufferSize]byte // nil while src sends little
	defer func() { r.giveBack(large) }()
	for p := first; ; {
		if len(p) > 0 {
			n, err := dst.Write(p)
			count(n)
			if err != nil {
				return false, err
			}
		}
		buf := rest
		switch full := len(p) > 0 && len(p) == cap(p); {
		case full && large == nil:
			large = r.buffers.Get().(*[bufferSize]byte)
			buf = large[:]
		case full:
			buf = large[:]
		case large != nil: // the next read may wait for long
			r.giveBack(large)
			large = nil
		}
		if r.ending.Load() {
			r.hurry(src, dst)
		}
		n, err := src.Read(buf)
		if p = buf[:n]; n == 0 && err != nil {
			return true, err
		}
	}
}

func (r *relay) giveBack(large *[bufferSize]byte) {
	if large != nil {
		r.buffers.Put(large)
	}
}

// flush writes what a loop had to leave for dst.
func (r *relay) flush(dst, src net.Conn) error {
	held, ok := beneath(dst).(interface{ Flush() (more bool, err error) })
	if !ok {
		return nil
	}
	for {
		if r.ending.Load() || r.looped.Ended != 0 {
			r.hurry(src, dst)
		}
		if more, err := held.Flush(); err != nil || !more {
			return err
		}
	}
}

// halfClose says that nothing more will be sent on c: close_notify where there
// is TLS, then a FIN where there is TCP.
func halfClose(c net.Conn) {
	for {
		if half, ok := c.(interface{ CloseWrite() error }); ok {
			half.CloseWrite()
		}
		outer, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return
		}
		c = outer.NetConn()
	}
}

// cut closes c at once, without the close_notify that a stalled peer would hold
// up.
func cut(c net.Conn) { beneath(c).Close() }

// beneath returns the conn that carries c's bytes.
func beneath(c net.Conn) net.Conn {
	for {
		outer, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return c
		}
		c = outer.NetConn()
	}
}
