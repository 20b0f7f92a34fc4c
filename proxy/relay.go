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
)

// bufferSize is one TLS record's plaintext: a read from the database gives no
// more at once, and a write to it costs one record.
const bufferSize = 16 << 10

// Reasons for a session's end, as logged.
const (
	reasonClientLeft     = "client closed during login"
	reasonLoginFailed    = "login failed"
	reasonClientClosed   = "client closed"
	reasonClientLost     = "client connection lost"
	reasonDatabaseClosed = "database closed"
	reasonDatabaseLost   = "database connection lost"
	reasonShutdown       = "proxy shut down"
)

// relay carries bytes between a client and its database.
type relay struct {
	client  net.Conn
	server  *upstream
	linger  time.Duration
	buffers *sync.Pool // of *[bufferSize]byte

	up, down int64 // bytes delivered, for reading after run
	ending   atomic.Bool
	said     atomic.Bool // the client has sent Terminate
	once     sync.Once
	reason   string // of the way that ended first
	err      error  // its error; nil at a clean end
}

// terminateMessage is what clients end a session with.
var terminateMessage = []byte{'X', 0, 0, 0, 4}

// toServer notes a Terminate on its way, so that the log can tell a database
// that closed by itself from one that was asked to. It is a guess by the last
// bytes of a write, and good enough for a log.
type toServer struct {
	*upstream
	said *atomic.Bool
}

func (w toServer) Write(p []byte) (int, error) {
	if bytes.HasSuffix(p, terminateMessage) {
		w.said.Store(true)
	}
	return w.upstream.Write(p)
}

// run copies both ways until both have ended. early is what the client has sent
// already. run owns its goroutines: none outlives the call. Cancelling ctx
// closes both conns, which wakes blocked reads and writes.
//
// When one way ends, the other goes on for as long as it moves: linger without
// a byte ends it. A database that closes gets its last words to the client.
func (r *relay) run(ctx context.Context, early []byte) {
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(closed)
		r.end(reasonShutdown, nil)
		cut(r.client)
		cut(r.server.raw)
	})
	defer func() {
		if !stop() {
			<-closed
		}
	}()
	var both sync.WaitGroup
	both.Go(func() { r.upload(early) })
	both.Go(r.download)
	both.Wait()
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
	reading, err := r.copy(toServer{r.server, &r.said}, r.client, early, &r.up)
	switch {
	case !reading:
		r.end(reasonDatabaseLost, err)
	case errors.Is(err, io.EOF):
		r.end(reasonClientClosed, nil)
	default:
		r.end(reasonClientLost, err)
	}
	r.hurry(r.server, r.client)
	r.server.CloseWrite()
}

// download carries the database's bytes, and its end.
func (r *relay) download() {
	client := r.client
	if _, ok := r.server.raw.(retirer); ok {
		client = &toClient{Conn: r.client, retire: r.server.retire}
	}
	reading, err := r.copy(client, r.server, nil, &r.down)
	switch {
	case !reading:
		r.end(reasonClientLost, err)
	case r.said.Load():
		r.end(reasonClientClosed, nil)
	case errors.Is(err, io.EOF):
		r.end(reasonDatabaseClosed, nil)
	default:
		r.end(reasonDatabaseLost, err)
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
// a clean end. reading says which one it was.
func (r *relay) copy(dst, src net.Conn, first []byte, count *int64) (reading bool, err error) {
	buf := r.buffers.Get().(*[bufferSize]byte)
	defer r.buffers.Put(buf)
	for p := first; ; {
		if len(p) > 0 {
			n, err := dst.Write(p)
			*count += int64(n)
			if err != nil {
				return false, err
			}
		}
		if r.ending.Load() {
			r.hurry(src, dst)
		}
		n, err := src.Read(buf[:])
		if p = buf[:n]; n == 0 && err != nil {
			return true, err
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
