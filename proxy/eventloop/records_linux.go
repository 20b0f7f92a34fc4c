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

// Read reads from c; while a loop has the socket, to the next head's or record's
// end at most.
func (r *records) Read(p []byte) (int, error) {
	if r.sock.taken {
		p = p[:min(len(p), r.wanted())]
	}
	n, err := r.Conn.Read(p)
	r.follow(p[:n])
	return n, err
}

// wanted is how much there is to come of the present head, or of the record
// behind it.
func (r *records) wanted() int {
	if r.left > 0 {
		return r.left
	}
	return recordHead - r.have
}

// follow takes the next bytes.
func (r *records) follow(p []byte) {
	for len(p) > 0 {
		n := min(len(p), r.wanted())
		if r.left > 0 {
			r.left -= n
		} else if r.have += copy(r.head[r.have:], p[:n]); r.have == recordHead {
			r.left, r.have = int(binary.BigEndian.Uint16(r.head[3:])), 0
		}
		p = p[n:]
	}
}
