package gateway

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestMisbehaviour breaks each rule once: an assertion that cannot fail would
// be worth nothing.
func TestMisbehaviour(t *testing.T) {
	data := []byte{1, 3, 0, 0, 0, 0, 0, 0} // NOP
	tests := []struct {
		name string
		act  func(c *client)
		want string
	}{
		{"garbage", func(c *client) { c.sendRaw([]byte("garbage")) }, "malformed message"},
		{"huge header", func(c *client) {
			frame := c.message(payloadData, data).encode()
			frame[1] = 1
			c.sendRaw(frame)
		}, "malformed message"},
		{"digest", func(c *client) {
			frame := c.message(payloadData, data).encode()
			frame[80] ^= 1
			c.sendRaw(frame)
		}, "wrong digest"},
		{"NUL padding", func(c *client) {
			m := c.message(payloadData, data)
			m.nulPadded = true
			c.sendRaw(m.encode())
		}, "not padded with spaces"},
		{"id", func(c *client) {
			m := c.message(payloadData, data)
			m.id[6] = 0
			c.sendRaw(m.encode())
		}, "version 4 UUID"},
		{"flags", func(c *client) {
			m := c.message(payloadData, data)
			m.flags = 1
			c.sendRaw(m.encode())
		}, "data with flags 1"},
		{"date", func(c *client) {
			m := c.message(payloadData, data)
			m.created = 1503434274948
			c.sendRaw(m.encode())
		}, "from now"},
		{"empty", func(c *client) { c.send(payloadData, nil) }, "empty payload"},
		{"too big", func(c *client) { c.send(payloadData, make([]byte, maxChunk+1)) }, "more than 1024"},
		{"gap", func(c *client) { c.seq++; c.send(payloadData, data) }, "is missing before"},
		{"changed resend", func(c *client) {
			m := c.message(payloadData, data)
			c.sendRaw(m.encode())
			m.id = newUUID()
			c.sendRaw(m.encode())
		}, "not the same bytes"},
		{"late resend", func(c *client) {
			m := c.message(payloadData, data)
			c.sendRaw(m.encode())
			c.waitAck(m.seq)
			for range ticksAllowed + 1 {
				c.g.ticks.advance()
			}
			c.sendRaw(m.encode())
		}, "long after its acknowledgement"},
		{"second handshake response", func(c *client) { c.send(payloadHandshakeResponse, c.response(1)) }, "HandshakeResponse is number 0"},
		{"unknown type", func(c *client) { c.sendRaw(newMessage("input_stream", data).encode()) }, `message of type "input_stream"`},
		{"ack out of the blue", func(c *client) {
			m := newMessage(typeOutput, data)
			m.seq = 77
			c.sendRaw(newAck(m).encode())
		}, "was not delivered"},
		{"ack of the wrong id", func(c *client) {
			c.mute.Store(true)
			c.send(payloadData, []byte{1, 0, 0, 0, 3, 0, 0, 0}) // refused dial: an output
			m := c.waitFor(typeOutput, payloadFlag)
			m.id = newUUID()
			c.sendRaw(newAck(m).encode())
		}, "wrong message id"},
		{"ack with SYN", func(c *client) {
			a := newAck(newMessage(typeOutput, data))
			a.flags = 1
			c.sendRaw(a.encode())
		}, "acknowledge with flags 1"},
		{"sloppy ack", func(c *client) {
			a := newMessage(typeAck, []byte(`{"AcknowledgedMessageSequenceNumber":1}`))
			a.flags = 3
			c.sendRaw(a.encode())
		}, "acknowledge with payload"},
		{"no ack", func(c *client) {
			c.mute.Store(true)
			c.send(payloadData, []byte{1, 0, 0, 0, 3, 0, 0, 0})
			c.waitFor(typeOutput, payloadFlag)
		}, "not acknowledged within"},
		{"even stream", func(c *client) { c.send(payloadData, []byte{1, 0, 0, 0, 4, 0, 0, 0}) }, "stream 4 opened after 0"},
		{"data after FIN", func(c *client) {
			c.send(payloadData, []byte{1, 0, 0, 0, 3, 0, 0, 0, 1, 1, 0, 0, 3, 0, 0, 0, 1, 2, 1, 0, 3, 0, 0, 0, 'x'})
		}, "after its FIN"},
		{"unopened stream", func(c *client) { c.send(payloadData, []byte{1, 2, 1, 0, 3, 0, 0, 0, 'x'}) }, "which is not open"},
		{"window", func(c *client) {
			c.g.SetIntercept(func(_ string, way Direction, frame []byte) []Delivery {
				if way == ToAgent {
					return nil
				}
				return []Delivery{{Message: frame}}
			})
			for range 17 {
				c.send(payloadData, bytes.Repeat(data, maxChunk/len(data)))
			}
		}, "more than the window"},
		{"input while paused", func(c *client) {
			m := c.message(payloadData, data)
			c.sendRaw(m.encode())
			c.waitAck(m.seq) // those before it are here, too
			c.g.Publish(typePause)
			c.waitFor(typePause, payloadNone)
			c.g.SetIntercept(func(_ string, way Direction, frame []byte) []Delivery {
				if way == ToClient {
					return nil // no acknowledgement ends the pause
				}
				return []Delivery{{Message: frame}}
			})
			for range 17 {
				c.send(payloadData, bytes.Repeat(data, maxChunk/len(data)))
			}
		}, "after pause_publication"},
		{"left behind", func(c *client) {
			_ = c.conn.CloseNow()
			_ = c.g.Await(c.ctx, func(all []Session) bool { return all[0].State == Disconnected })
			c.g.Close()
		}, "left a live session behind"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := startService(t, Config{Window: 16 << 10, AckWithin: time.Second})
			c := newClient(t, g, "127.0.0.1:1")
			c.ready()
			wantNoViolations(t, g)
			tt.act(c)
			waitViolation(t, g, tt.want)
		})
	}
}

// In an upload the acknowledgement of the newest message may wait, and only then.
func TestUploadMayKeepAnAcknowledgementBack(t *testing.T) {
	nops := bytes.Repeat([]byte{1, 3, 0, 0, 0, 0, 0, 0}, maxChunk/8)
	g := startService(t, Config{AckWithin: time.Second})
	c := newClient(t, g, "127.0.0.1:1")
	c.ready()
	c.mute.Store(true)
	c.send(payloadData, []byte{1, 0, 0, 0, 3, 0, 0, 0}) // refused dial: a flag, and FIN
	c.sendRaw(newAck(c.waitFor(typeOutput, payloadFlag)).encode())
	c.waitFor(typeOutput, payloadData)
	for range uploadFrom/maxChunk + 5 {
		m := c.message(payloadData, nops)
		c.sendRaw(m.encode())
		c.waitAck(m.seq)
	}
	for range 3 {
		for range ticksAllowed / 2 {
			g.ticks.advance()
		}
		m := c.message(payloadData, nops)
		c.sendRaw(m.encode())
		c.waitAck(m.seq)
		g.order[0].watch.overdue()
	}
	wantNoViolations(t, g)
	for range int(uploadRest/g.cfg.AckWithin) * ticksAllowed {
		g.ticks.advance()
	}
	g.order[0].watch.overdue()
	wantNoViolations(t, g) // the upload rests
	waitViolation(t, g, "not acknowledged within")
}

// What an old connection is still given, when the client is on the next already, has
// not arrived.
func TestDeliveriesOnGoneConnectionsAreWaived(t *testing.T) {
	g := startService(t, Config{})
	w := newWatch(g.Gateway, "s")
	output := newMessage(typeOutput, []byte("data"))
	frame := output.encode()
	w.attached(1, nil)
	w.attached(2, nil)
	w.delivered(w.delivering(1, frame))
	w.delivered(w.delivering(2, frame))
	ack := newAck(output)
	w.fromClient(2, ack.encode())
	for range 2 * ticksAllowed {
		g.ticks.advance()
	}
	w.overdue()
	wantNoViolations(t, g)
}

// waitViolation waits for a violation to be reported.
func waitViolation(t *testing.T, g *service, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err := g.Await(ctx, func([]Session) bool {
		return slices.ContainsFunc(g.Violations(), func(v string) bool { return strings.Contains(v, want) })
	})
	if err != nil {
		t.Fatalf("violations %q, want one with %q", g.Violations(), want)
	}
}

// TestOfficialTolerance: the same deeds by the genuine plugin are its own.
func TestOfficialTolerance(t *testing.T) {
	g := startService(t, Config{Window: 1024, OfficialClient: true})
	c := newClient(t, g, "127.0.0.1:1")
	c.ready()
	m := c.message(payloadData, []byte{1, 3, 0, 0, 0, 0, 0, 0})
	c.sendRaw(m.encode())
	c.waitAck(m.seq)
	for range ticksAllowed + 1 {
		g.ticks.advance()
	}
	c.sendRaw(m.encode())
	for i := range 3 {
		c.send(payloadData, fmt.Appendf(nil, "\x01\x03\x00\x00\x00\x00\x00\x00%s", strings.Repeat("\x01\x03\x00\x00\x00\x00\x00\x00", 100+i)))
	}
	c.terminate()
	wantEnding(t, g, EndFlag)
	wantNoViolations(t, g)
}
