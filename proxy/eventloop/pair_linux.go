package eventloop

import (
	"crypto/tls"
	"io"
	"net"
	"sync"
)

// readSize is how much is read at once, and so the most that is held for a
// socket that takes no more, but for what TLS adds.
const readSize = 64 << 10

// end is one side of a pair.
type end struct {
	pair   *pair
	peer   *end
	sock   *socket
	secure *tls.Conn // over sock; nil for plain bytes
	seen   func([]byte)

	readable bool // there may be something to read
	stops    bool // a short read does not mean that there is no more
	ahead    bool // TLS may have read more than it gave before the relay
	queued   bool // in the loop's list
	reset    bool // a client that is gone
	carried  int64
}

// pair is two sockets and how their relay ended.
type pair struct {
	client, database end
	early            []byte // the client's, goes to the database first
	slot             int32
	over             bool // the loop's own note
	loop             *loop
	stop             func() bool    // lets the context end without the pair
	leaving          sync.WaitGroup // for what the context's end does
	ended            func(Result)
	result           Result
}

// split finds the socket beneath c, directly or under TLS.
func split(c net.Conn) (*socket, *tls.Conn) {
	secure, _ := c.(*tls.Conn)
	for {
		if s, ok := c.(*socket); ok {
			return s, secure
		}
		outer, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return nil, nil
		}
		c = outer.NetConn()
	}
}

// maxOwn is more than a read of the peer ever leaves unsent. What is beyond that
// are TLS's own answers to a side that asks without listening.
const maxOwn = 2 * readSize

// blocked says that e is not to be read from until something is sent.
func (e *end) blocked() bool {
	return len(e.peer.sock.unsent) > 0 || len(e.sock.unsent) > maxOwn
}

// pump carries what one read of e gives to its peer.
func (l *loop) pump(e *end) {
	to := e.peer
	if e.blocked() {
		return // goes on when that is out
	}
	n, err := e.sock.get(l.raw)
	switch {
	case err == error(again{}):
		e.readable = false
		if !e.ahead {
			return
		}
	case err == io.EOF && e.secure != nil:
		e.sock.ended = true // TLS knows whether it may end here
	case err != nil:
		l.finish(e, true, err)
		return
	case n < len(l.raw) && !e.stops:
		e.readable = false // all there was: the next comes with an event
	}
	data := l.raw[:n]
	err, e.ahead = nil, false
	if e.secure != nil {
		data, err = l.decrypt(e, data)
	}
	if len(data) > 0 {
		if e.seen != nil {
			e.seen(data)
		}
		e.carried += int64(len(data))
		if werr := to.write(data); werr != nil {
			l.finish(e, false, werr)
			return
		}
	}
	if len(e.sock.unsent) > 0 { // TLS's own words: an alert, or the answer to a key update
		if werr := l.drain(e); werr != nil && err == nil {
			err = werr
		}
	}
	if err != nil {
		l.finish(e, true, err)
	}
}

// decrypt gives TLS what was received and returns what that makes. What it
// returns is good until the next call.
func (l *loop) decrypt(e *end, received []byte) ([]byte, error) {
	e.sock.feed = received
	n := 0
	for {
		if n == len(l.plain) {
			l.plain = append(l.plain, make([]byte, readSize)...)
		}
		m, err := e.secure.Read(l.plain[n:])
		n += m
		switch {
		case err == error(again{}):
			return l.plain[:n], nil
		case err != nil:
			return l.plain[:n], err
		}
	}
}

// write sends p, or holds it.
func (e *end) write(p []byte) error {
	if e.secure == nil {
		return e.sock.send(p)
	}
	if _, err := e.secure.Write(p); err != nil {
		return err
	}
	return e.sock.drain()
}

// spares are buffers for what is unsent, of one loop.
type spares struct{ free [][]byte }

// maxSpares bounds what a loop keeps for later.
const maxSpares = 16

func (s *spares) get() []byte {
	if n := len(s.free); n > 0 {
		b := s.free[n-1]
		s.free = s.free[:n-1]
		return b
	}
	return make([]byte, 0, readSize+readSize/8)
}

func (s *spares) put(b []byte) {
	if s != nil && len(s.free) < maxSpares {
		s.free = append(s.free, b[:0])
	}
}
