package gateway

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"syscall"
	"testing"
)

// record is a line of the recording of the genuine plugin and agent.
type record struct {
	Ch, Dir, Kind string
	Seq           int64
	PayloadType   uint32 `json:"payload_type"`
	PayloadHex    string `json:"payload_hex"`
	HeaderLen     uint32 `json:"header_len"`
	payload       []byte
}

// label is what is compared.
func (r record) label() string { return fmt.Sprint(r.Kind, " ", r.PayloadType) }

func (r record) toClient() bool {
	return r.Ch == "data" && (r.Dir == "agent>client" || r.Dir == "service>client")
}

func (r record) fromClient() bool { return r.Ch == "data" && r.Dir == "client>agent" }

// loadRecording is the recording, cut at each StartSession.
func loadRecording(t *testing.T) (sessions [][]record) {
	t.Helper()
	file, err := os.Open("testdata/ssm-trace.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r record
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		r.payload = unhex(t, r.PayloadHex)
		if r.Kind == "StartSession" {
			sessions = append(sessions, nil)
		}
		if n := len(sessions); n > 0 {
			sessions[n-1] = append(sessions[n-1], r)
		}
	}
	if len(sessions) != 2 {
		t.Fatalf("%d sessions in the recording, want 2", len(sessions))
	}
	return sessions
}

// TestReplay sends what the genuine plugin sent, at the same points of the
// conversation, and wants what the genuine agent and the relay answered.
func TestReplay(t *testing.T) {
	recording := loadRecording(t)
	t.Run("two streams, flag", func(t *testing.T) { replay(t, recording[0], EndFlag) })
	t.Run("refused dial, TerminateSession", func(t *testing.T) { replay(t, recording[1], EndAPI) })
}

func replay(t *testing.T, recording []record, ending string) {
	g := startService(t, Config{OfficialClient: true, AgentVersion: "3.3.0.0", PluginDelay: -1})
	stage := newStage(recording)
	c := newClient(t, g, target(t, stage.play))
	c.mute.Store(true)
	if ending == EndAPI {
		g.SetDial(func(context.Context, string, string) (net.Conn, error) { return nil, syscall.ECONNREFUSED })
	}
	c.connect()
	var want, acks []string
	for i, r := range recording {
		switch {
		case r.Kind == "TerminateSession":
			c.awaitSoFar(want, acks)
			if !g.Terminate(c.session) {
				t.Error("the session is not known")
			}
		case r.toClient() && r.Kind == typeAck:
			acks = append(acks, ackOf(t, r.payload))
		case r.toClient():
			c.awaitSoFar(want, nil)
			stage.say(i)
			want = append(want, r.label())
		case r.fromClient():
			// All that the plugin had seen by then. An acknowledgement may
			// have been under way.
			c.awaitSoFar(want, nil)
			if r.PayloadType == payloadData && r.Seq == 1 {
				c.awaitPort() // for which the recording had 150 ms
			}
			c.replaySend(t, r)
		}
	}
	c.awaitSoFar(want, acks)
	got, gotAcks := c.heard(t)
	if !slices.Equal(got, want) {
		t.Errorf("heard\n%q, want\n%q", got, want)
	}
	if !slices.Equal(gotAcks, acks) {
		t.Errorf("acknowledgements of %q, want %q", gotAcks, acks)
	}
	c.wantOrder(t)
	c.leave()
	wantEnding(t, g, ending)
	wantNoViolations(t, g)
}

// replaySend sends a recorded message anew: own id, date and acknowledged id.
func (c *client) replaySend(t *testing.T, r record) {
	if r.Kind != typeAck {
		c.send(r.PayloadType, r.payload)
		return
	}
	var a ackPayload
	if err := json.Unmarshal(r.payload, &a); err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	i := slices.IndexFunc(c.got, func(m message) bool {
		return m.kind == typeOutput && m.seq == a.AcknowledgedMessageSequenceNumber
	})
	output := c.got[i]
	c.mu.Unlock()
	c.sendRaw(newAck(output).encode())
}

func ackOf(t testing.TB, payload []byte) string {
	var a ackPayload
	if err := json.Unmarshal(payload, &a); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(a.AcknowledgedMessageType, " ", a.AcknowledgedMessageSequenceNumber)
}

// heard is what has come: the acknowledgements, and the rest without resends.
func (c *client) heard(t testing.TB) (rest, acks []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return hear(t, c.got)
}

func hear(t testing.TB, got []message) (rest, acks []string) {
	seen := map[int64]bool{}
	for _, m := range got {
		switch {
		case m.kind == typeAck:
			acks = append(acks, ackOf(t, m.payload))
		case m.kind == typeOutput && seen[m.seq]:
		default:
			seen[m.seq] = seen[m.seq] || m.kind == typeOutput
			rest = append(rest, fmt.Sprint(m.kind, " ", m.payloadType))
		}
	}
	return rest, acks
}

// awaitSoFar waits for as many messages as the plugin had seen.
func (c *client) awaitSoFar(want, acks []string) {
	c.t.Helper()
	c.wait(fmt.Sprintf("%d messages and %d acknowledgements", len(want), len(acks)), func(got []message, _ error) bool {
		rest, gotAcks := hear(c.t, got)
		return len(rest) >= len(want) && len(gotAcks) >= len(acks)
	})
}

// wantOrder checks the order between acknowledgements and the rest: the agent
// acknowledges the HandshakeResponse before it completes the handshake, and the
// flag before the end.
func (c *client) wantOrder(t *testing.T) {
	c.mu.Lock()
	defer c.mu.Unlock()
	complete := slices.IndexFunc(c.got, func(m message) bool { return m.payloadType == payloadHandshakeComplete })
	first := slices.IndexFunc(c.got, func(m message) bool { return m.kind == typeAck })
	if first > complete {
		t.Error("HandshakeComplete came before the acknowledgement of the HandshakeResponse")
	}
	last := c.got[len(c.got)-1]
	if last.kind != typeClosed || last.header != headerShort {
		t.Errorf("the last message is %s with header %d, want channel_closed with 112", last.kind, last.header)
	}
}

// stage is the recorded target. It says its lines on the replay's cue, so that
// what the recording kept apart in time does not share a message.
type stage struct {
	next  chan uint32 // stream ids in the order they were opened
	mouth map[uint32]chan []byte
	lines map[int][]line // by the record that begins with them
}

type line struct {
	id  uint32
	say []byte
}

// newStage reads both directions' smux frames out of the recording.
func newStage(recording []record) *stage {
	s := &stage{next: make(chan uint32, 16), mouth: map[uint32]chan []byte{}, lines: map[int][]line{}}
	var in, out bytes.Buffer
	begin := 0
	for i, r := range recording {
		switch {
		case r.PayloadType != payloadData:
		case r.fromClient():
			in.Write(r.payload)
			frames(&in, func(command byte, id uint32, _ []byte) {
				if command == 0 {
					s.next <- id
					s.mouth[id] = make(chan []byte, 16)
				}
			})
		default:
			if out.Len() == 0 {
				begin = i
			}
			out.Write(r.payload)
			frames(&out, func(_ byte, id uint32, data []byte) {
				if len(data) > 0 {
					s.lines[begin] = append(s.lines[begin], line{id, bytes.Clone(data)})
				}
				begin = i
			})
		}
	}
	return s
}

// say is the cue at a record.
func (s *stage) say(record int) {
	for _, l := range s.lines[record] {
		s.mouth[l.id] <- l.say
	}
}

// frames takes the complete smux frames off b.
func frames(b *bytes.Buffer, each func(command byte, id uint32, data []byte)) {
	for b.Len() >= 8 {
		head := b.Bytes()[:8]
		n := int(binary.LittleEndian.Uint16(head[2:]))
		if b.Len() < 8+n {
			return
		}
		frame := b.Next(8 + n)
		each(frame[1], binary.LittleEndian.Uint32(frame[4:]), frame[8:])
	}
}

// play is one connection: lines as they come, until its end.
func (s *stage) play(conn net.Conn) {
	mouth := s.mouth[<-s.next]
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(io.Discard, conn)
	}()
	for {
		select {
		case say := <-mouth:
			_, _ = conn.Write(say) // an error shows in what the client hears
		case <-ended:
			return
		}
	}
}
