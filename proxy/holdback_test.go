package proxy

import (
	"bytes"
	"errors"
	"net"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

func newBuffers() *sync.Pool { return &sync.Pool{New: func() any { return new([bufferSize]byte) }} }

// taker is a client that notes each write.
type taker struct {
	net.Conn
	got  []byte
	fail error
}

func (c *taker) Write(p []byte) (int, error) {
	if c.fail != nil {
		return 0, c.fail
	}
	c.got = append(c.got, p...)
	return len(p), nil
}

// TestWholeMessagesAreNotHeldBack cuts what a database says in pieces of each size:
// after each piece the client has every whole message, what has come of a long one,
// and nothing more, and in the end every byte.
func TestWholeMessagesAreNotHeldBack(t *testing.T) {
	long := message('D', make([]byte, maxHeld-4)...) // its type byte makes it too long
	longest := message('D', make([]byte, maxHeld-5)...)
	said := join(message('T', 1, 2, 3), message('D', make([]byte, 700)...), message('C'), long, message('D', 9), longest, readyForQuery)
	inLong := len(message('T', 1, 2, 3)) + 706 - 1 + 5 // its beginning
	for size := 1; size < len(said)+2; size = size*5/4 + 1 {
		client := &taker{}
		h := &holdback{Conn: client, buffers: newBuffers()}
		at := 0
		for p := range chunks(said, size) {
			n, err := h.Write(p)
			if at += len(p); n != len(p) || err != nil {
				t.Fatalf("pieces of %d: %d and %v", size, n, err)
			}
			whole := wholeUntil(said[:at])
			if at >= inLong+headLen && at < inLong+len(long) {
				whole = at
			}
			if len(client.got) != whole || !bytes.Equal(client.got, said[:whole]) {
				t.Fatalf("pieces of %d: the client has %d bytes after %d, want %d", size, len(client.got), at, whole)
			}
			if (h.buffer != nil) != (whole < at) {
				t.Fatalf("pieces of %d, after %d bytes: a buffer is held: %v", size, at, h.buffer != nil)
			}
		}
		if !bytes.Equal(client.got, said) {
			t.Errorf("pieces of %d: other bytes than were sent", size)
		}
	}
}

// wholeUntil is where the last whole message of p ends.
func wholeUntil(p []byte) (at int) {
	for {
		rest := p[at:]
		if len(rest) < headLen {
			return at
		}
		length := int(rest[1])<<24 | int(rest[2])<<16 | int(rest[3])<<8 | int(rest[4])
		if len(rest) < length+1 {
			return at
		}
		at += length + 1
	}
}

func TestHoldbackOfWhatIsNoMessage(t *testing.T) {
	client := &taker{}
	h := &holdback{Conn: client, buffers: newBuffers()}
	said := join([]byte{'D', 0, 0, 0, 3}, []byte("anything"))
	for p := range chunks(said, 2) {
		h.Write(p)
	}
	if !bytes.Equal(client.got, said) {
		t.Errorf("the client has %q, want %q", client.got, said)
	}
}

func TestHoldbackTellsOfAClientThatIsGone(t *testing.T) {
	gone := errors.New("gone")
	h := &holdback{Conn: &taker{fail: gone}, buffers: newBuffers()}
	if _, err := h.Write([]byte{'Z', 0}); err != nil {
		t.Errorf("holding back: %v", err)
	}
	if _, err := h.Write([]byte{0, 0, 5, 'I'}); !errors.Is(err, gone) {
		t.Errorf("got %v, want %v", err, gone)
	}
}

// What comes over a tunnel comes in pieces of a kibibyte, of which rows cross the
// ends.
func BenchmarkHoldback(b *testing.B) {
	row, err := (&pgproto3.CopyData{Data: make([]byte, 60)}).Encode(nil)
	if err != nil {
		b.Fatal(err)
	}
	var rows []byte
	for len(rows) < 1<<20 {
		rows = append(rows, row...)
	}
	for name, held := range map[string]bool{"held": true, "through": false} {
		b.Run(name, func(b *testing.B) {
			var client net.Conn = followed{nowhere{}, new(boundary)}
			if held {
				client = &holdback{Conn: client, buffers: newBuffers()}
			}
			b.SetBytes(int64(len(rows)))
			b.ReportAllocs()
			for b.Loop() {
				for p := range chunks(rows, 1016) {
					client.Write(p)
				}
			}
		})
	}
}

type nowhere struct{ net.Conn }

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }
