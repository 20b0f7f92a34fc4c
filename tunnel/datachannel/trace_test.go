package datachannel

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// traced is one line of testdata/ssm-trace.jsonl: two sessions of the genuine
// plugin and agent, recorded by a relay between them.
type traced struct {
	N           int
	Ch          string
	Dir         string
	Kind        string
	Schema      uint32
	Seq         int64
	Flags       uint64
	HeaderLen   int    `json:"header_len"`
	TypePad     string `json:"type_pad"`
	MsgID       string `json:"msg_id"`
	PayloadType uint32 `json:"payload_type"`
	WireLen     int    `json:"wire_len"`
	PayloadHex  string `json:"payload_hex"`
}

// frame makes the message again; the trace has no dates, so it gets today's.
func (l traced) frame(t *testing.T) []byte {
	frame := wire(l.Kind, l.Seq, l.Flags, l.PayloadType, unhex(t, l.PayloadHex))
	id := unhex(t, strings.ReplaceAll(l.MsgID, "-", ""))
	copy(frame[64:72], id[8:])
	copy(frame[72:80], id[:8])
	binary.BigEndian.PutUint32(frame[36:40], l.Schema)
	if l.TypePad == "nul" {
		copy(frame[4:36], bytes.ReplaceAll(frame[4:36], []byte(" "), []byte{0}))
	}
	if l.HeaderLen == 112 { // no payload type
		frame = append(frame[:112], frame[116:]...)
		binary.BigEndian.PutUint32(frame, 112)
	}
	if len(frame) != l.WireLen {
		t.Fatalf("line %d: %d bytes, want %d", l.N, len(frame), l.WireLen)
	}
	return frame
}

func readTrace(t *testing.T) []traced {
	b, err := os.ReadFile("testdata/ssm-trace.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	var all []traced
	for line := range bytes.Lines(b) {
		var l traced
		if err := json.Unmarshal(line, &l); err != nil {
			t.Fatal(err)
		}
		if l.Ch == "data" && l.MsgID != "" {
			all = append(all, l)
		}
	}
	return all
}

func TestTraceIsRead(t *testing.T) {
	lines := readTrace(t)
	if len(lines) < 60 {
		t.Fatalf("%d data channel messages in the trace", len(lines))
	}
	for _, l := range lines {
		frame := l.frame(t)
		m, err := Parse(frame)
		if err != nil {
			t.Errorf("line %d: %v", l.N, err)
			continue
		}
		if m.Type != l.Kind || m.Seq != l.Seq || m.Flags != l.Flags || m.ID.String() != l.MsgID ||
			uint32(m.PayloadType) != l.PayloadType || hex.EncodeToString(m.Payload) != l.PayloadHex {
			t.Errorf("line %d: got %+v, want %+v", l.N, m, l)
		}
		if l.HeaderLen == 116 {
			if got := Append(nil, &m); !bytes.Equal(got, frame) {
				t.Errorf("line %d: Append makes\n%x, want\n%x", l.N, got, frame)
			}
		}
	}
}

// Whatever a genuine agent and service sent to their client is played to a Conn,
// a tenth of a second between the lines.
func TestTraceIsReplayed(t *testing.T) {
	var sessions [][]traced
	for _, l := range readTrace(t) {
		if l.Kind == "output_stream_data" && l.Seq == 0 {
			sessions = append(sessions, nil)
		}
		if n := len(sessions); n > 0 {
			sessions[n-1] = append(sessions[n-1], l)
		}
	}
	if len(sessions) != 2 {
		t.Fatalf("%d sessions in the trace, want 2", len(sessions))
	}
	for i, lines := range sessions {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.agent.silent = true
			var want []byte
			failed, outputs := 0, 0
			r.run()
			time.Sleep(time.Second)
			for _, l := range lines {
				if l.Dir != "agent>client" && l.Dir != "service>client" {
					continue
				}
				frame := l.frame(t)
				switch {
				case l.Kind == "acknowledge":
					continue // the fake agent acknowledges what this client really sends
				case l.Kind == "channel_closed":
					time.Sleep(beatHope) // for the acknowledge of the newest message
					r.agent.write(frame)
					err := r.ended(time.Second)
					if _, ok := err.(*ChannelClosedError); !ok {
						t.Errorf("session %d ended with %v", i, err)
					}
				case l.Kind == "output_stream_data":
					outputs++
					r.agent.mu.Lock()
					r.agent.names[l.Seq] = l.MsgID
					if l.PayloadType == 7 {
						r.agent.complete, r.agent.done = true, time.Now()
					}
					r.agent.mu.Unlock()
					if l.PayloadType == 1 {
						want = append(want, unhex(t, l.PayloadHex)...)
					}
					if l.PayloadHex == "00000003" {
						failed++
					}
					fallthrough
				default:
					r.agent.write(frame)
					time.Sleep(100 * ms)
				}
				if l.PayloadType == 7 {
					r.awaitReady()
				}
			}
			if got := r.stream.received(); !bytes.Equal(got, want) || len(want) == 0 {
				t.Errorf("session %d delivered\n%x, want\n%x", i, got, want)
			}
			if r.stream.failed != failed {
				t.Errorf("session %d has %d failed connects, want %d", i, r.stream.failed, failed)
			}
			for seq := range int64(outputs) {
				if got := r.agent.acksOf(seq); got != 1 {
					t.Errorf("session %d: output %d has %d acknowledges, want 1", i, seq, got)
				}
			}
			if s := r.conn.Stats(); s.BadDigests != 0 || s.Malformed != 0 || s.AgentVersion != "3.3.0.0" || int(s.MessagesIn) != outputs {
				t.Errorf("session %d: stats are %+v", i, s)
			}
		})
	}
}
