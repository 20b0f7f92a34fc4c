package proxy

import "encoding/binary"

// boundary knows whether the bytes of the database that a client got, from
// ReadyForQuery on, end where a message ends: only there may words be put in. It
// looks at heads only and skips what they announce. The zero value stands at a
// boundary. A login begins it, and the upstream that comes of that keeps it.
type boundary struct {
	left int64 // bytes of the present message still to come
	size int64 // of the present message, once its head is whole
	head [headLen]byte
	have int  // bytes of head
	lost bool // it was no message
}

// follow takes the next bytes.
func (b *boundary) follow(p []byte) {
	for len(p) > 0 && !b.lost {
		if b.left == 0 && b.have == 0 {
			if p = b.skip(p); len(p) == 0 {
				return
			}
		}
		if skip := min(b.left, int64(len(p))); skip > 0 {
			b.left -= skip
			p = p[skip:]
			continue
		}
		n := copy(b.head[b.have:], p)
		p = p[n:]
		if b.have += n; b.have < headLen {
			return
		}
		b.have = 0
		length := binary.BigEndian.Uint32(b.head[1:])
		b.lost = length < 4
		b.left, b.size = int64(length)-4, int64(length)+1
	}
}

// skip leaves out the whole messages that p begins with. Most bytes are passed
// here: small rows need it to be quick.
func (b *boundary) skip(p []byte) []byte {
	kind := b.head[0]
	for len(p) >= headLen {
		size := int64(binary.BigEndian.Uint32(p[1:headLen])) + 1
		if size < headLen || size > int64(len(p)) {
			break
		}
		kind = p[0]
		p = p[size:]
	}
	b.head[0] = kind
	return p
}

// failed says that the last message was an ErrorResponse.
func (b *boundary) failed() bool { return b.head[0] == 'E' }

// between says that what came ends with a whole message.
func (b *boundary) between() bool { return b.left == 0 && b.have == 0 && !b.lost }

// begun is how many bytes have come of a message that is not whole; 0 when it has
// more than most bytes in all, or when there is none.
func (b *boundary) begun(most int) int {
	switch {
	case b.lost:
		return 0
	case b.have > 0:
		return b.have
	case b.left > 0 && b.size <= int64(most):
		return int(b.size - b.left)
	}
	return 0
}
