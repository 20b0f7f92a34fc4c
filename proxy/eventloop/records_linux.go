package eventloop

import (
	"encoding/binary"
	"net"
)

// recordHead is the length of what a TLS record begins with, the length of the
// rest at its end.
//
// Source: RFC 8446, 5.1.
const recordHead = 5

// records gives TLS what a loop has received record by record. TLS reads all that
// it can get into a buffer that it keeps; with half a record behind a whole one
// there, it takes twice as much. One record at a time leaves it with room for the
// largest one that came.
//
// Before a relay, where a read is a system call, nothing is held back, but the
// records are followed. It is for one reader.
type records struct {
	net.Conn
	sock *socket // beneath
	left int     // of the present record
	head [recordHead]byte
	have int // of head
}

// Records returns c for TLS to be done over it: with less memory, in a relay.
// The next byte that c gives must be TLS's first.
func Records(c net.Conn) net.Conn {
	if s, _ := split(c); s != nil {
		return &records{Conn: c, sock: s}
	}
	return c
}

// NetConn returns the conn beneath, as (*tls.Conn).NetConn does.
func (r *records) NetConn() net.Conn { return r.Conn }

// Read reads from c; while a loop has the socket, to the record's end at most.
func (r *records) Read(p []byte) (int, error) {
	if r.sock.taken {
		p = p[:min(len(p), r.next())]
	}
	n, err := r.Conn.Read(p)
	r.follow(p[:n])
	return n, err
}

// next is how much TLS may have at once: the rest of the present record, or of its
// head where that has not come. A head without its body would cost TLS a second
// read for each record.
func (r *records) next() int {
	if r.left > 0 {
		return r.left
	}
	n := recordHead - r.have
	if len(r.sock.feed) < n {
		return n
	}
	head := r.head
	copy(head[r.have:], r.sock.feed)
	return n + bodyOf(head)
}

// follow takes the next bytes.
func (r *records) follow(p []byte) {
	for len(p) > 0 {
		if r.left > 0 {
			n := min(len(p), r.left)
			r.left, p = r.left-n, p[n:]
			continue
		}
		n := copy(r.head[r.have:], p)
		p = p[n:]
		if r.have += n; r.have == recordHead {
			r.left, r.have = bodyOf(r.head), 0
		}
	}
}

// bodyOf is the length of what follows head.
func bodyOf(head [recordHead]byte) int { return int(binary.BigEndian.Uint16(head[3:])) }
