package datachannel

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/display"
)

// What Parse takes, Append makes again, and Parse reads the same from it.
func FuzzParse(f *testing.F) {
	for _, v := range readVectors(f).Vectors {
		f.Add(v.frame(f))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		m, err := Parse(b)
		if !bytes.Equal(b, before) {
			t.Fatal("Parse has written to its input")
		}
		if err != nil {
			if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrDigest) {
				t.Fatalf("unknown error %v", err)
			}
			return
		}
		if m.Type == "" && len(m.Payload) > 0 || len(m.Type) > typeSize {
			t.Fatalf("type is %q", m.Type)
		}
		if m.Created == 0 {
			m.Created = 1 // only publications get so far without one
		}
		again, err := Parse(Append(nil, &m))
		if err != nil {
			t.Fatalf("%+v is made and not read: %v", m, err)
		}
		if len(m.Payload) == 0 || m.Type == TypePausePublication || m.Type == TypeStartPublication {
			m.Digest = again.Digest // was not checked
		}
		if again.Type != m.Type || again.Schema != m.Schema || again.Created != m.Created || again.Seq != m.Seq ||
			again.Flags != m.Flags || again.ID != m.ID || again.Digest != m.Digest ||
			again.PayloadType != m.PayloadType || !bytes.Equal(again.Payload, m.Payload) {
			t.Fatalf("made of %+v is %+v", m, again)
		}
	})
}

// The short way of reading an acknowledge never says other than the long one.
func FuzzAcknowledge(f *testing.F) {
	for _, v := range readVectors(f).Vectors {
		if v.Inputs.MessageType == TypeAcknowledge {
			f.Add([]byte(v.Inputs.PayloadText))
		}
	}
	f.Add([]byte(`{"AcknowledgedMessageSequenceNumber":1}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		got, err := parseAcknowledge(payload)
		if err == nil && got < 0 {
			t.Fatalf("number %d", got)
		}
		if usual, ok := parseUsualAcknowledge(payload); ok {
			var long struct{ AcknowledgedMessageSequenceNumber *int64 }
			if err := json.Unmarshal(payload, &long); err != nil || long.AcknowledgedMessageSequenceNumber == nil ||
				*long.AcknowledgedMessageSequenceNumber != usual {
				t.Fatalf("%q: usual %d, JSON %v and %v", payload, usual, long.AcknowledgedMessageSequenceNumber, err)
			}
		}
	})
}

// Whatever the agent asks for gets an answer that is JSON with one entry for
// each action, and nothing of it reaches a terminal raw.
func FuzzHandshake(f *testing.F) {
	for _, v := range readVectors(f).Vectors {
		f.Add(v.payload(f))
	}
	f.Add([]byte(portRequest))
	f.Fuzz(func(t *testing.T, payload []byte) {
		for _, text := range []string{customerMessage(payload), closedOutput(payload), display.Line(string(payload))} {
			if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) || len(text) > display.Most+len("…") {
				t.Fatalf("text is %q", text)
			}
		}
		request, err := parseHandshakeRequest(payload)
		if err != nil {
			return
		}
		answer, err := request.answer(defaultClientVersion)
		if answer == nil {
			if err == nil {
				t.Fatal("neither answer nor error")
			}
			return
		}
		var response struct {
			ProcessedClientActions []struct{ ActionStatus int }
		}
		if jsonErr := json.Unmarshal(answer, &response); jsonErr != nil || len(response.ProcessedClientActions) != len(request.RequestedClientActions) {
			t.Fatalf("answer is %s: %v", answer, jsonErr)
		}
		for _, action := range response.ProcessedClientActions {
			if action.ActionStatus != 1 && err == nil || action.ActionStatus < 1 || action.ActionStatus > 3 {
				t.Fatalf("answer is %s, error %v", answer, err)
			}
		}
	})
}

// FuzzConn plays steps of three bytes to a Conn that carries streams: messages
// of the agent in any order, acknowledges, pauses, foreign bytes, time, a new
// transport. What is delivered has to be in order and once, and what is written
// has to be messages.
func FuzzConn(f *testing.F) {
	f.Add([]byte{0, 2, 0, 0, 4, 0, 0, 3, 0, 5, 100, 1, 1, 2, 0})
	f.Add([]byte{6, 9, 0, 5, 1, 9, 2, 0, 0, 6, 9, 0, 5, 200, 9, 3, 0, 0, 7, 0, 0, 5, 255, 9})
	f.Add(append([]byte{4, 255, 0}, readVectors(f).named(f, "service_channel_closed_112")...))
	f.Fuzz(func(t *testing.T, steps []byte) {
		steps = steps[:min(len(steps), 3000)] // more is only slow
		stream := newFakeStream()
		c, err := New(Config{
			Stream:     stream,
			MaxReorder: 20_000,
			Connect:    func(context.Context) (Transport, error) { return nil, errors.New("not called") },
		})
		if err != nil {
			t.Fatal(err)
		}
		now, most := epoch, len(steps)+10
		message := func(kind string, seq int64, payloadType PayloadType, payload []byte) error {
			return c.receive(now, Append(nil, &Message{Type: kind, Created: 1, Seq: seq, PayloadType: payloadType, Payload: payload}))
		}
		drain := func() error {
			for range 10_000 {
				frame, _, err := c.next(now, now)
				if err != nil || frame == nil {
					return err
				}
				m, err := Parse(frame)
				if err != nil || len(m.Payload) == 0 || len(m.Payload) > 1024 || m.Type != TypeInput && m.Type != TypeAcknowledge {
					t.Fatalf("written %+v: %v", m, err)
				}
				if c.window.bytes > c.cfg.MaxWindow || c.acks.len() > most {
					t.Fatalf("%d bytes in the window, %d acknowledges wait", c.window.bytes, c.acks.len())
				}
			}
			t.Fatal("the writer never rests")
			return nil
		}
		c.attach(now)
		begin := []error{
			message(TypeOutput, 0, PayloadHandshakeRequest, []byte(portRequest)), drain(),
			message(TypeOutput, 1, PayloadHandshakeComplete, []byte("{}")), drain(),
			message(TypeAcknowledge, 0, 0, []byte(ackHead+TypeInput+ackID+UUID{}.String()+ackSeq+"0"+ackTail)),
			message(TypeAcknowledge, 0, 0, []byte(ackHead+TypeInput+ackID+UUID{}.String()+ackSeq+"1"+ackTail)), drain(),
		}
		if err := errors.Join(begin...); err != nil || c.phase != StateCarrying {
			t.Fatalf("handshake: %v, %v", err, c.phase)
		}
		sent := map[int64]bool{}
		err = nil
		for ; len(steps) >= 3 && err == nil; steps = steps[3:] {
			n, x := int64(steps[1]), steps[2]
			switch steps[0] % 8 {
			case 0:
				sent[n] = true
				err = message(TypeOutput, n, PayloadOutput, []byte{byte(n)})
			case 1:
				err = message(TypeAcknowledge, 0, 0, []byte(`{"AcknowledgedMessageSequenceNumber":`+string('0'+x%10)+`}`))
			case 2:
				err = message(TypePausePublication, 0, 0, nil)
			case 3:
				err = message(TypeStartPublication, 0, 0, nil)
			case 4:
				size := min(int(n), len(steps)-3)
				if m, bad := Parse(steps[3 : 3+size]); bad != nil || m.Type != TypeOutput { // those are step 0's
					err = c.receive(now, bytes.Clone(steps[3:3+size]))
				}
				steps = steps[size:]
			case 5:
				now = now.Add(time.Duration(n) * time.Duration(x) * ms)
				err = drain()
			case 6:
				stream.write(make([]byte, 16*int(n)))
				err = drain()
			case 7:
				c.attach(now)
				err = drain()
			}
		}
		want := []byte(nil)
		for n := int64(2); sent[n]; n++ {
			want = append(want, byte(n))
		}
		got := stream.received()
		if !bytes.HasPrefix(want, got) || err == nil && len(got) != len(want) {
			t.Fatalf("delivered %v, want %v; ended with %v", got, want, err)
		}
	})
}
