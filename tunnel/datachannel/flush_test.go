package datachannel

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// batchLink is a link that sends at Flush only, and notes what goes out together.
type batchLink struct {
	*link
	start time.Time
	kept  [][]byte // of the writer

	mu     sync.Mutex
	writes []batch
}

// batch is one write: when, and the messages in it, as "data" and "ack 3".
type batch struct {
	at       time.Duration
	messages []string
}

func (l *batchLink) WriteMessage(p []byte) error {
	l.kept = append(l.kept, bytes.Clone(p))
	return nil
}

func (l *batchLink) Flush() error {
	b := batch{at: time.Since(l.start)}
	for _, p := range l.kept {
		m, err := Parse(p)
		if err != nil {
			return err
		}
		if m.Type == TypeInput {
			b.messages = append(b.messages, "data")
		} else {
			_, number, _ := strings.Cut(string(m.Payload), "SequenceNumber\":")
			number, _, _ = strings.Cut(number, ",")
			b.messages = append(b.messages, "ack "+number)
		}
		if err := l.link.WriteMessage(p); err != nil {
			return err
		}
	}
	l.kept = nil
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writes = append(l.writes, b)
	return nil
}

// since returns the writes after the first n.
func (l *batchLink) since(n int) []batch {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.writes[n:])
}

func TestWhatIsDueTogetherIsWrittenTogether(t *testing.T) {
	const latency = 10 * ms
	answers := func(r *rig, n int) {
		for range n {
			r.agent.output(1, []byte("answer"))
			time.Sleep(pumpPace)
		}
	}
	tests := []struct {
		name string
		do   func(r *rig)
		want []batch
	}{
		{"one answer", func(r *rig) { answers(r, 1) },
			[]batch{{latency + beatHope, []string{"ack 2"}}}},
		{"answers", func(r *rig) { answers(r, 3) },
			[]batch{{latency + ackDelay, []string{"ack 2", "ack 3"}}, {latency + 2*pumpPace + beatHope, []string{"ack 4"}}}},
		{"an answer and the next question", func(r *rig) {
			answers(r, 1)
			time.Sleep(latency)
			r.stream.write([]byte("question"))
		}, []batch{{latency + pumpPace, []string{"data", "ack 2"}}}},
		{"a question and then an answer", func(r *rig) {
			r.agent.output(1, []byte("answer"))
			time.Sleep(latency - ms)
			r.stream.write([]byte("question"))
		}, []batch{{latency - ms, []string{"data"}}, {latency + beatHope, []string{"ack 2"}}}},
		{"more than one message has room for", func(r *rig) { r.stream.write(make([]byte, 5000)) },
			[]batch{{0, []string{"data", "data", "data", "data", "data"}}}},
		{"a message that is ahead of its turn", func(r *rig) {
			r.agent.mu.Lock()
			r.agent.next++
			r.agent.mu.Unlock()
			answers(r, 1)
		}, []batch{{latency, []string{"ack 3"}}}},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.latency = latency
			r.agent.noResend = true
			l := &batchLink{}
			r.wrap = func(_ int, t Transport) Transport { l.link = t.(*link); return l }
			r.run()
			r.awaitReady()
			time.Sleep(100 * ms)
			before := len(l.since(0))
			l.start = time.Now()
			tt.do(r)
			time.Sleep(beatHope + 100*ms)
			if got := l.since(before); fmt.Sprint(got) != fmt.Sprint(tt.want) {
				t.Errorf("%s: writes are %v, want %v", tt.name, got, tt.want)
			}
			r.stop()
		})
	}
}

// A message that came twice may have cost the agent a repair already.
func TestDuplicateIsAcknowledgedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t).run()
		r.awaitReady()
		r.agent.mu.Lock()
		r.agent.noResend = true
		r.agent.mu.Unlock()
		r.agent.output(1, []byte("hello"))
		time.Sleep(beatHope + 100*ms)
		r.agent.mu.Lock()
		frame := wire("output_stream_data", 2, 0, 1, []byte("hello"))
		r.agent.names[2] = wireName(frame)
		r.agent.mu.Unlock()
		sent := time.Since(r.agent.start)
		r.agent.write(frame)
		time.Sleep(100 * ms)
		got := r.agent.seen(func(e event) bool { return e.kind == "acknowledge" && e.seq == 2 })
		if len(got) != 2 || got[1].at != sent+2*r.latency {
			t.Errorf("acknowledges of output 2 are %+v, want the second a round trip after %v", got, sent)
		}
		r.stop()
	})
}

// A handshake that is refused says so to the agent, although that ends the session.
func TestRefusalIsWrittenBeforeTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.agent.request = `{"AgentVersion":"3.3.987.0","RequestedClientActions":[{"ActionType":"SessionType","ActionParameters":{"SessionType":"Standard_Stream"}}]}`
		l := &batchLink{}
		r.wrap = func(_ int, t Transport) Transport { l.link = t.(*link); return l }
		r.run()
		err := r.ended(time.Second)
		if got := fmt.Sprint(l.since(0)); !strings.Contains(got, "data") {
			t.Errorf("writes are %s after %v, want the answer to the request", got, err)
		}
	})
}
