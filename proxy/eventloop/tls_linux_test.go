package eventloop

import (
	"bytes"
	"io"
	"net"
	"slices"
	"testing"
	"time"
)

// newRigByHand has a database whose records the test makes.
func newRigByHand(t *testing.T) (r *rig, out, in *sealer) {
	t.Helper()
	r = newRig(t, newGroup(t), false, false)
	r.nearDatabase, out, in = securedByHand(t, Records(r.nearDatabase), r.farDatabase)
	return r, out, in
}

// handshakeMessage is one of TLS's.
func handshakeMessage(kind byte, body ...byte) []byte {
	return append([]byte{kind, 0, byte(len(body) >> 8), byte(len(body))}, body...)
}

// What TLS says after the handshake is no data, and may come in any pieces:
// between any two of them there is nothing to read for a while.
func TestTLSHasWordsOfItsOwn(t *testing.T) {
	r, out, in := newRigByHand(t)
	r.start()
	inPieces := func(b []byte) {
		for piece := range slices.Chunk(b, 7) {
			r.farDatabase.Write(piece) // read one by one, mostly: the loop has nothing else to do
		}
	}
	ticket := handshakeMessage(newSessionTicket, 0, 0, 1, 0, 1, 2, 3, 4, 1, 9, 0, 4, 't', 'i', 'c', 'k', 0, 0)
	inPieces(out.record(recordHandshake, ticket[:3])) // a message in two records
	inPieces(out.record(recordHandshake, ticket[3:]))
	inPieces(out.record(recordApplication, []byte("before the update")))
	expect(t, r.client, []byte("before the update"))

	for range 3 {
		inPieces(out.record(recordHandshake, handshakeMessage(keyUpdate, 1))) // asks for one in return
		out.next()
		inPieces(out.record(recordApplication, []byte("after the update")))
		expect(t, r.client, []byte("after the update"))
		if kind, p := in.open(r.farDatabase); kind != recordHandshake || !bytes.Equal(p, handshakeMessage(keyUpdate, 0)) {
			t.Fatalf("the update was answered with %d %x", kind, p)
		}
		in.next()
		r.client.Write([]byte("by new keys"))
		if _, p := in.open(r.farDatabase); string(p) != "by new keys" {
			t.Fatalf("the database got %q", p)
		}
	}
	// The conn is TLS's again afterwards, keys and all.
	r.cancel()
	<-r.result
	r.nearDatabase.Write([]byte("without the loop"))
	if _, p := in.open(r.farDatabase); string(p) != "without the loop" {
		t.Errorf("the database got %q", p)
	}
	r.farDatabase.Write(out.record(recordApplication, []byte("nor with it")))
	expect(t, r.nearDatabase, []byte("nor with it"))
}

// A side that asks for new keys forever and takes no answer must not make the
// loop hold them all.
func TestAnswersThatNobodyReadsAreBounded(t *testing.T) {
	r, out, _ := newRigByHand(t)
	r.farDatabase.SetReadBuffer(4 << 10)
	near, _ := split(r.nearDatabase)
	near.stream.(*net.TCPConn).SetWriteBuffer(4 << 10)
	go io.Copy(io.Discard, r.client)
	r.start()
	r.farDatabase.SetDeadline(time.Now().Add(500 * time.Millisecond))
	for sent := 0; sent < 16<<20; {
		var batch []byte
		for range 200 {
			batch = append(batch, out.record(recordHandshake, handshakeMessage(keyUpdate, 1))...)
			out.next()
			batch = append(batch, out.record(recordApplication, []byte("x"))...)
		}
		n, err := r.farDatabase.Write(batch)
		if sent += n; err != nil {
			break // it is not read from any more
		}
	}
	r.cancel()
	<-r.result
	if n := len(near.unsent); n > maxOwn+readSize {
		t.Errorf("%d bytes are held for a side that does not read", n)
	}
}

// roomSpy notes how much room TLS has when it reads: what is free in the buffer
// that it keeps.
type roomSpy struct {
	net.Conn
	most int
}

func (s *roomSpy) NetConn() net.Conn { return s.Conn }

func (s *roomSpy) Read(p []byte) (int, error) {
	s.most = max(s.most, len(p))
	return s.Conn.Read(p)
}

// A connection at rest holds what TLS has kept. That is the room of one record,
// and not of two, also where TLS had half of one when the relay began.
func TestTLSKeepsRoomForOneRecord(t *testing.T) {
	const size = 8 << 10 // PostgreSQL's
	r := newRig(t, newGroup(t), false, false)
	spy := &roomSpy{Conn: Records(r.nearDatabase)}
	inner, out, _ := securedByHand(t, spy, r.farDatabase)
	r.nearDatabase = inner

	first := out.record(recordApplication, []byte("first"))
	sent := randomBytes(1, 100*size)
	var wire []byte
	for part := range slices.Chunk(sent, size) {
		wire = append(wire, out.record(recordApplication, part)...)
	}
	const ahead = 500 // of the second record, which TLS reads with the first
	r.farDatabase.Write(append(first, wire[:ahead]...))
	expect(t, r.nearDatabase, []byte("first"))
	r.start()
	go r.farDatabase.Write(wire[ahead:])
	expect(t, r.client, sent)
	r.cancel()
	<-r.result
	if spy.most >= size+size/2 {
		t.Errorf("TLS keeps room for %d bytes after records of %d", spy.most, size)
	}
}
