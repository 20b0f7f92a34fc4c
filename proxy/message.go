package proxy

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// headLen is what every message after the StartupMessage begins with: a type
// byte, then the length of the rest, itself included.
const headLen = 5

// readSize is the first size of a messages buffer: all that a database says
// between AuthenticationOk and ReadyForQuery, usually.
const readSize = 4096

// messages reads whole messages, head included, as the bytes they came in. It
// reads ahead; rest gives back what nobody asked for. The zero value with r set
// is ready. It is for one goroutine.
type messages struct {
	r   io.Reader
	buf []byte
	pos int // buf[pos:] is unread
}

// next returns the next message, valid until the following call. A body over
// limit bytes is an error before it is read. io.EOF comes at a message's
// boundary only.
func (m *messages) next(limit uint32) ([]byte, error) {
	for {
		size, err := m.size(limit)
		if err != nil {
			return nil, err
		}
		if unread := m.buf[m.pos:]; size > 0 && len(unread) >= size {
			m.pos += size
			return unread[:size:size], nil
		}
		if err := m.fill(); err != nil {
			if err == io.EOF && m.pos < len(m.buf) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
}

// size is that of the next message, or 0 while its head is not read.
func (m *messages) size(limit uint32) (int, error) {
	unread := m.buf[m.pos:]
	if len(unread) < headLen {
		return 0, nil
	}
	length := binary.BigEndian.Uint32(unread[1:headLen])
	if length < 4 || length-4 > limit {
		return 0, badLength.New(causes.Facts{"kind": fmt.Sprintf("%q", unread[0]), "length": fmt.Sprint(length)}, nil)
	}
	return int(length) + 1, nil
}

// ready reports whether next would return without reading.
func (m *messages) ready(limit uint32) bool {
	size, err := m.size(limit)
	return err != nil || size > 0 && len(m.buf)-m.pos >= size
}

// rest returns what is read and not asked for, and forgets it.
func (m *messages) rest() []byte {
	unread := m.buf[m.pos:]
	m.buf, m.pos = nil, 0
	return unread
}

// fill reads once. The buffer doubles when full, so memory is taken for bytes
// that came and not for those that a length announces. Bytes move once for a
// message, however small the pieces are that it comes in.
func (m *messages) fill() error {
	if m.pos > 0 || len(m.buf) == cap(m.buf) {
		unread := m.buf[m.pos:]
		if buf := m.buf; len(unread) == cap(buf) {
			m.buf = make([]byte, 0, max(readSize, 2*cap(buf)))
		}
		m.buf, m.pos = append(m.buf[:0], unread...), 0
	}
	n, err := m.r.Read(m.buf[len(m.buf):cap(m.buf)])
	m.buf = m.buf[:len(m.buf)+n]
	if n > 0 {
		return nil
	}
	return err
}

// errorFields returns the fields of an ErrorResponse's body by their type, as
// far as it is well formed.
func errorFields(body []byte) map[byte]string {
	fields := make(map[byte]string)
	for len(body) > 1 && body[0] != 0 {
		value, rest, ok := bytes.Cut(body[1:], []byte{0})
		if !ok {
			break
		}
		fields[body[0]] = string(value)
		body = rest
	}
	return fields
}
