package eventloop

import (
	"bytes"
	mathrand "math/rand/v2"
	"testing"
)

// trickle is a stream that gives what it has in pieces of any size.
type trickle struct {
	stream
	random *mathrand.Rand
	left   []byte
}

func (c *trickle) Read(p []byte) (int, error) {
	return copy(p, c.piece(len(p))), nil
}

// piece takes the next one, of at most n bytes.
func (c *trickle) piece(n int) []byte {
	n = min(n, 1+c.random.IntN(len(c.left)))
	p := c.left[:n]
	c.left = c.left[n:]
	return p
}

// Whatever pieces records come in, and wherever in one of them a loop takes over,
// no read goes beyond the end of a record from then on, nor stops before it
// without need.
func TestRecordsEndWhereTheyEnd(t *testing.T) {
	random := mathrand.New(mathrand.NewPCG(1, 2))
	for range 2000 {
		var wire []byte
		ends := map[int]bool{}
		for range 1 + random.IntN(5) {
			body := random.IntN(300)
			wire = append(wire, recordApplication, 3, 3, byte(body>>8), byte(body))
			wire = append(wire, make([]byte, body)...)
			ends[len(wire)] = true
		}
		link := &trickle{random: random, left: wire}
		s := &socket{stream: link}
		r := Records(s)
		takeOver := random.IntN(len(wire))
		var got []byte
		for len(got) < len(wire) {
			s.taken = s.taken || len(got) >= takeOver
			if s.taken && len(s.feed) == 0 {
				s.feed = link.piece(1000)
			}
			buffer, there := make([]byte, 1+random.IntN(600)), len(s.feed)
			n, err := r.Read(buffer)
			if n == 0 || err != nil {
				t.Fatalf("%d bytes and %v", n, err)
			}
			for i := 1; i < n && s.taken; i++ {
				if ends[len(got)+i] {
					t.Fatalf("a read from %d to %d goes beyond %d", len(got), len(got)+n, len(got)+i)
				}
			}
			got = append(got, buffer[:n]...)
			if s.taken && n < min(there, len(buffer)) && !ends[len(got)] {
				t.Fatalf("a read of %d bytes stops at %d, where no record ends", n, len(got))
			}
		}
		if !bytes.Equal(got, wire) {
			t.Fatal("other bytes than were sent")
		}
		if s.taken {
			if _, err := r.Read(make([]byte, 9)); err != error(again{}) {
				t.Fatalf("at the end %v, want to be told to come again", err)
			}
		}
	}
}
