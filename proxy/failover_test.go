package proxy

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
)

// discardConn takes all that is written.
type discardConn struct{ net.Conn }

func (discardConn) Write(p []byte) (int, error) { return len(p), nil }

func TestFailOverIsFoundHoweverItIsCut(t *testing.T) {
	row := message('D', bytes.Repeat([]byte("5706P0125\x00C"), 40)...)
	readOnly := errorPacket("SERROR", "VERROR", "C25006", "Mcannot execute INSERT in a read-only transaction")
	tests := []struct {
		said  []byte
		state string
	}{
		{join(row, errorPacket("SFATAL", "VFATAL", "C57P01", "Mterminating")), "57P01"},
		{join(row, readOnly, readyForQuery, row), "25006"},
		{join(readOnly, row, readOnly, readOnly), "25006"},
		{errorPacket("SFATAL", "C57P01"), "57P01"},
		{join(row, errorPacket("SFATAL", "C57P02", "Mcrash: 57P01"), errorPacket("SERROR", "C42601", "MC25006")), ""},
		{[]byte("C57P01\x00C25006\x00C57P01")[:6], ""},
	}
	for _, test := range tests {
		for size := 1; size < len(test.said)+2; size++ {
			var got []string
			w := &toClient{Conn: discardConn{}, found: func(state string) { got = append(got, state) }}
			for p := range chunks(test.said, size) {
				w.Write(p)
			}
			if test.state == "" && len(got) > 0 || test.state != "" && (len(got) != 1 || !strings.Contains(got[0], test.state)) {
				t.Fatalf("%q in pieces of %d: retired for %q, want %q once", test.said, size, got, test.state)
			}
		}
	}
}

// chunks gives p in pieces, each in a buffer that is overwritten afterwards.
func chunks(p []byte, size int) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		buf := make([]byte, size)
		for len(p) > 0 {
			n := copy(buf, p)
			p = p[n:]
			if !yield(buf[:n]) {
				return
			}
			clear(buf)
		}
	}
}

func TestFailOverRetiresTheConn(t *testing.T) {
	terminated := errorPacket("SFATAL", "VFATAL", "C57P01", "Mterminating connection")
	readOnly := errorPacket("SERROR", "VERROR", "C25006", "Mread-only transaction")
	tests := []struct {
		name    string
		session func(c *databaseConn)
		want    []byte // what the client gets
		retired string
	}{
		{"terminated", func(c *databaseConn) {
			c.logIn()
			c.Write(terminated[:9])
			c.Write(terminated[9:])
		}, join(authRequest(0), keyData(7, []byte("key7")), readyForQuery, terminated), "57P01"},
		{"read-only, twice", func(c *databaseConn) {
			c.logIn()
			c.send(readOnly, readyForQuery)
			c.send(readOnly, readyForQuery)
		}, join(authRequest(0), keyData(7, []byte("key7")), readyForQuery, readOnly, readyForQuery, readOnly, readyForQuery), "25006"},
		{"another error", func(c *databaseConn) {
			c.logIn()
			c.send(errorPacket("SERROR", "C42601", "Msyntax"), readyForQuery)
		}, join(authRequest(0), keyData(7, []byte("key7")), readyForQuery, errorPacket("SERROR", "C42601", "Msyntax"), readyForQuery), ""},
		{"terminated before the token is asked for", func(c *databaseConn) {
			c.startup()
			c.send(terminated)
		}, terminated, "57P01"},
		{"terminated during login", func(c *databaseConn) {
			c.startup()
			c.send(authRequest(0), terminated)
		}, join(authRequest(0), terminated), "57P01"},
		{"starting up", func(c *databaseConn) {
			c.startup()
			c.send(errorPacket("SFATAL", "C57P03", "Mstarting up"))
		}, errorPacket("SFATAL", "C57P03", "Mstarting up"), ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, test.session, nil)
				var notes retirements
				r.dialled(func(_ int, c net.Conn) net.Conn { return retirable{c, &notes} })
				c := r.dial()
				c.send(plainStartup)
				c.expect(test.want)
				c.expectEnd()
				c.Close()
				r.stop()
				got := notes.all()
				if test.retired == "" && len(got) > 0 || test.retired != "" && (len(got) != 1 || !strings.Contains(got[0], test.retired)) {
					t.Errorf("retired for %q, want %q once", got, test.retired)
				}
			})
		})
	}
}

// Conns that cannot be retired bear a failover as they did.
func TestFailOverOverTCP(t *testing.T) {
	words := errorPacket("SERROR", "C25006", "Mread-only transaction")
	_, dial := loopback(t, true, func(c *databaseConn) {
		c.send(words, readyForQuery)
		io.Copy(io.Discard, c)
	})
	dial().expect(join(words, readyForQuery))
}

func BenchmarkLookForFailOver(b *testing.B) {
	var rows []byte
	for i := 0; len(rows) < bufferSize; i++ {
		rows = append(rows, message('d', fmt.Appendf(nil, "%d\tcustomer %d\t2025-01-%02d\n", i, 7*i, i%28)...)...)
	}
	for _, data := range []struct {
		name  string
		bytes []byte
	}{
		{"rows", rows[:bufferSize]},
		{"random", randomBytes(bufferSize)},
		{"zeros", make([]byte, bufferSize)},
		{"one row", rows[:60]},
	} {
		b.Run(data.name, func(b *testing.B) {
			w := &toClient{Conn: discardConn{}}
			b.SetBytes(int64(len(data.bytes)))
			b.ReportAllocs()
			for b.Loop() {
				w.Write(data.bytes)
			}
		})
	}
}
