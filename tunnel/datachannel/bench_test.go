package datachannel

import (
	"context"
	"crypto/sha256"
	"testing"
	"time"
)

func BenchmarkAppend(b *testing.B) {
	m := Message{Type: TypeInput, Schema: 1, Created: 1503434274948, ID: NewUUID(), PayloadType: PayloadOutput, Payload: make([]byte, 1024)}
	var buf []byte
	b.SetBytes(1024)
	b.ReportAllocs()
	for b.Loop() {
		buf = Append(buf[:0], &m)
	}
}

func BenchmarkParse(b *testing.B) {
	frame := readVectors(b).named(b, "agent_output_stream_data_1024B_seq4")
	b.SetBytes(1024)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(frame); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAcknowledge(b *testing.B) {
	id := NewUUID()
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = appendAcknowledge(buf[:0], NewUUID(), 1503434274948, id, 123456)
	}
}

func BenchmarkParseAcknowledge(b *testing.B) {
	m, err := Parse(readVectors(b).named(b, "agent_acknowledge_seq0"))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parseAcknowledge(m.Payload); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDigest is what the hash alone costs of the above.
func BenchmarkDigest(b *testing.B) {
	p := make([]byte, 1024)
	b.SetBytes(1024)
	for b.Loop() {
		sha256.Sum256(p)
	}
}

// endless is a Stream with always more to send.
type endless struct{ fakeStream }

func (*endless) Fill(p []byte) int { return len(p) }

// BenchmarkSend is one message of 1 KiB through window and codec, and its
// acknowledge, with 50 under way.
func BenchmarkSend(b *testing.B) {
	c := carrying(b, &endless{})
	now := time.Now()
	const underway = 50
	acked := int64(2)
	b.SetBytes(1024)
	b.ReportAllocs()
	for b.Loop() {
		frame, _, err := c.next(now, now)
		if err != nil || frame == nil {
			b.Fatal("nothing to send", err)
		}
		if c.window.next-acked >= underway {
			c.mu.Lock()
			c.window.acknowledge(now, acked)
			c.mu.Unlock()
			acked++
		}
	}
}

// discard is a Stream that takes everything.
type discard struct{ fakeStream }

func (*discard) Deliver([]byte) error { return nil }

// BenchmarkReceive is one message of 1 KiB read, delivered and acknowledged.
func BenchmarkReceive(b *testing.B) {
	c := carrying(b, &discard{})
	now := time.Now()
	m := Message{Type: TypeOutput, Created: 1, Seq: 2, PayloadType: PayloadOutput, Payload: make([]byte, 1024)}
	frame := Append(nil, &m)
	b.SetBytes(1024)
	b.ReportAllocs()
	for b.Loop() {
		m.Seq = c.reorder.expected
		frame[55], frame[54], frame[53], frame[52] = byte(m.Seq), byte(m.Seq>>8), byte(m.Seq>>16), byte(m.Seq>>24)
		if err := c.receive(now, frame); err != nil {
			b.Fatal(err)
		}
		if ack, _, err := c.next(now, now); err != nil || ack == nil {
			b.Fatal("no acknowledge", err)
		}
	}
}

// carrying is a Conn after its handshake, with no transport.
func carrying(b *testing.B, s Stream) *Conn {
	c, err := New(Config{Stream: s, Connect: func(context.Context) (Transport, error) { return nil, nil }})
	if err != nil {
		b.Fatal(err)
	}
	c.phase = StateCarrying
	c.window.next, c.reorder.expected = 2, 2
	return c
}
