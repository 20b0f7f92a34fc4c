package eventloop

import (
	"bytes"
	"io"
	mathrand "math/rand/v2"
	"net"
	"testing"
)

// trickle is a conn that gives what it has in pieces of any size.
type trickle struct {
	net.Conn
	random *mathrand.Rand
	left   []byte
}

func (c *trickle) Read(p []byte) (int, error) {
	if len(c.left) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.left[:1+c.random.IntN(len(c.left))])
	c.left = c.left[n:]
	return n, nil
}

// Whatever pieces records come in, and wherever in one of them a loop takes over,
// no read goes beyond the end of a head or of a record from then on.
func TestRecordsEndWhereTheyEnd(t *testing.T) {
	random := mathrand.New(mathrand.NewPCG(1, 2))
	for range 2000 {
		var wire []byte
		ends := map[int]bool{}
		for range 1 + random.IntN(5) {
			body := random.IntN(300)
			wire = append(wire, recordApplication, 3, 3, byte(body>>8), byte(body))
			ends[len(wire)] = true
			wire = append(wire, make([]byte, body)...)
			ends[len(wire)] = true
		}
		r := &records{Conn: &trickle{random: random, left: wire}, sock: new(socket)}
		takeOver := random.IntN(len(wire))
		var got []byte
		for {
			r.sock.taken = len(got) >= takeOver
			buffer := make([]byte, 1+random.IntN(600))
			n, err := r.Read(buffer)
			if err == io.EOF {
				break
			}
			for i := 1; i < n && r.sock.taken; i++ {
				if ends[len(got)+i] {
					t.Fatalf("a read from %d to %d goes beyond %d", len(got), len(got)+n, len(got)+i)
				}
			}
			got = append(got, buffer[:n]...)
		}
		if !bytes.Equal(got, wire) {
			t.Fatalf("got %d bytes of %d", len(got), len(wire))
		}
	}
}
