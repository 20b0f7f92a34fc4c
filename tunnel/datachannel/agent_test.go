package datachannel

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// event is one frame of the client as the agent got it.
type event struct {
	at          time.Duration // since the agent's start
	kind        string        // message type
	seq         int64         // of an acknowledge: the acknowledged number
	payloadType uint32
	payload     string
}

// agent is the far end: it acts as amazon-ssm-agent does on this protocol
// (resends its oldest message only, each 100 ms), and checks what it gets.
type agent struct {
	t     *testing.T
	start time.Time

	// Settings, before the first link.
	version    string
	request    string                         // replaces the handshake request
	customer   string                         // message with HandshakeComplete
	silent     bool                           // never begins the handshake
	readyAfter time.Duration                  // refuses input for so long after HandshakeComplete
	refuse     func(seq int64, copy int) bool // true: neither take nor acknowledge this copy; called under mu
	noResend   bool
	target     func(payload string) // gets the stream's bytes in place of streamData; called under mu

	mu       sync.Mutex
	link     *link
	begun    bool
	events   []event
	done     time.Time // of HandshakeComplete
	complete bool

	expected int64
	early    map[int64]event
	copies   map[int64]int
	first    map[int64]string // first copy of each input frame
	stream   bytes.Buffer     // payloads of type 1, in order
	flags    []uint32
	acked    map[int64]int // acknowledges sent, by number
	unacked  int           // bytes of input frames seen and not acknowledged

	next   int64
	sent   map[int64]agentOutput // not acknowledged
	oldest int64                 // none before it is in sent
	names  map[int64]string
}

type agentOutput struct {
	frame []byte
	at    time.Time
}

func newAgent(t *testing.T) *agent {
	return &agent{
		t: t, start: time.Now(), version: "3.3.987.0",
		early: map[int64]event{}, copies: map[int64]int{}, first: map[int64]string{},
		acked: map[int64]int{}, names: map[int64]string{}, sent: map[int64]agentOutput{},
	}
}

// attach makes l the agent's way to the client, and begins the handshake on the
// first.
func (a *agent) attach(l *link) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.link = l
	if a.begun || a.silent {
		return
	}
	a.begun = true
	request := a.request
	if request == "" {
		request = `{"AgentVersion":"` + a.version + `","RequestedClientActions":[{"ActionType":"SessionType","ActionParameters":` +
			`{"SessionType":"Port","Properties":{"host":"db.internal","localPortNumber":"0","portNumber":"5432","type":"LocalPortForwarding"}}}]}`
	}
	a.outputLocked(5, []byte(request))
}

// resend runs until ctx ends.
func (a *agent) resend(ctx context.Context) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		a.mu.Lock()
		for ; a.oldest < a.next; a.oldest++ {
			front, ok := a.sent[a.oldest]
			if !ok {
				continue
			}
			if !a.noResend && time.Since(front.at) >= 200*time.Millisecond {
				a.sent[a.oldest] = agentOutput{front.frame, time.Now()}
				a.writeLocked(front.frame)
			}
			break
		}
		a.mu.Unlock()
	}
}

// output sends a numbered message.
func (a *agent) output(payloadType uint32, payload []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.outputLocked(payloadType, payload)
}

// outputStream sends payload bytes in chunks of 1024, paced as the agent is.
func (a *agent) outputStream(p []byte) {
	for chunk := range slices.Chunk(p, 1024) {
		a.output(1, chunk)
		time.Sleep(time.Millisecond)
	}
}

func (a *agent) outputLocked(payloadType uint32, payload []byte) {
	frame := wire("output_stream_data", a.next, 0, payloadType, payload)
	a.names[a.next] = wireName(frame)
	a.sent[a.next] = agentOutput{frame, time.Now()}
	a.next++
	a.writeLocked(frame)
}

// write sends a frame that no number belongs to.
func (a *agent) write(frame []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.writeLocked(frame)
}

func (a *agent) writeLocked(frame []byte) {
	if a.link == nil {
		return
	}
	select {
	case <-a.link.closed:
	default:
		a.link.down.send(frame)
	}
}

// receive takes one frame of the client and checks all of it.
func (a *agent) receive(l *link, frame []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(frame) < 120 {
		a.t.Errorf("client sent %d bytes", len(frame))
		return
	}
	kind := strings.TrimRight(string(frame[4:36]), " ")
	seq := int64(binary.BigEndian.Uint64(frame[48:56]))
	flags := binary.BigEndian.Uint64(frame[56:64])
	payloadType := binary.BigEndian.Uint32(frame[112:116])
	payload := frame[120:]
	name := wireName(frame)
	created := time.UnixMilli(int64(binary.BigEndian.Uint64(frame[40:48])))
	digest := sha256.Sum256(payload)
	switch {
	case binary.BigEndian.Uint32(frame[0:4]) != 116:
		a.t.Errorf("header length of %s is %d", kind, binary.BigEndian.Uint32(frame[0:4]))
	case binary.BigEndian.Uint32(frame[36:40]) != 1:
		a.t.Errorf("schema of %s is %d", kind, binary.BigEndian.Uint32(frame[36:40]))
	case time.Since(created) > time.Hour || time.Since(created) < -time.Second:
		a.t.Errorf("%s %d is dated %v", kind, seq, created)
	case name[14] != '4':
		a.t.Errorf("%s %d is named %s", kind, seq, name)
	case !bytes.Equal(frame[80:112], digest[:]):
		a.t.Errorf("%s %d has a wrong digest", kind, seq)
	case int(binary.BigEndian.Uint32(frame[116:120])) != len(payload):
		a.t.Errorf("%s %d has payload length %d, not %d", kind, seq, binary.BigEndian.Uint32(frame[116:120]), len(payload))
	case len(payload) == 0 || len(payload) > 1024:
		a.t.Errorf("%s %d has a payload of %d bytes", kind, seq, len(payload))
	}
	e := event{time.Since(a.start), kind, seq, payloadType, string(payload)}
	switch kind {
	case "acknowledge":
		if flags != 3 || seq != 0 || payloadType != 0 {
			a.t.Errorf("acknowledge has flags %d, number %d, payload type %d", flags, seq, payloadType)
		}
		a.acknowledged(&e)
		a.events = append(a.events, e)
	case "input_stream_data":
		if flags != 0 {
			a.t.Errorf("input %d has flags %d", seq, flags)
		}
		a.events = append(a.events, e)
		a.input(e, name, frame)
	default:
		a.t.Errorf("client sent %q", kind)
	}
}

func (a *agent) acknowledged(e *event) {
	var ack struct {
		AcknowledgedMessageType           string
		AcknowledgedMessageId             string
		AcknowledgedMessageSequenceNumber int64
		IsSequentialMessage               bool
	}
	if err := json.Unmarshal([]byte(e.payload), &ack); err != nil {
		a.t.Errorf("acknowledge %q: %v", e.payload, err)
	}
	e.seq = ack.AcknowledgedMessageSequenceNumber
	if ack.AcknowledgedMessageType != "output_stream_data" || !ack.IsSequentialMessage || ack.AcknowledgedMessageId != a.names[e.seq] {
		a.t.Errorf("acknowledge of %d named %s is %q", e.seq, a.names[e.seq], e.payload)
	}
	delete(a.sent, e.seq)
}

func (a *agent) input(e event, name string, frame []byte) {
	if first, ok := a.first[e.seq]; !ok {
		a.first[e.seq] = string(frame)
		a.unacked += len(frame)
		if a.unacked > 1<<20 {
			a.t.Errorf("%d bytes are not acknowledged", a.unacked)
		}
	} else if first != string(frame) {
		a.t.Errorf("the resend of input %d is another message", e.seq)
	}
	a.copies[e.seq]++
	if e.payloadType == 6 && e.seq != 0 || e.seq == 0 && e.payloadType != 6 {
		a.t.Errorf("input %d has payload type %d", e.seq, e.payloadType)
	}
	if e.seq > 0 && !a.complete {
		a.t.Errorf("input %d came before HandshakeComplete was sent", e.seq)
	}
	if e.seq > 0 && time.Since(a.done) < a.readyAfter || a.refuse != nil && a.refuse(e.seq, a.copies[e.seq]) {
		return
	}
	if e.seq >= a.expected {
		a.early[e.seq] = e
	}
	for next, ok := a.early[a.expected]; ok; next, ok = a.early[a.expected] {
		delete(a.early, a.expected)
		a.expected++
		a.take(next)
	}
	if a.acked[e.seq] == 0 {
		a.unacked -= len(frame)
	}
	a.acked[e.seq]++
	a.writeLocked(wireAck(name, e.seq))
}

func (a *agent) take(e event) {
	switch e.payloadType {
	case 1:
		if a.target != nil {
			a.target(e.payload)
			return
		}
		a.stream.WriteString(e.payload)
	case 6:
		if strings.Contains(e.payload, `"ActionStatus":1`) && strings.HasSuffix(e.payload, `"Errors":null}`) {
			if a.silent {
				return
			}
			a.complete, a.done = true, time.Now()
			a.outputLocked(7, []byte(`{"HandshakeTimeToComplete":123456789,"CustomerMessage":"`+a.customer+`"}`))
		}
	case 10:
		a.flags = append(a.flags, binary.BigEndian.Uint32([]byte(e.payload)))
	default:
		a.t.Errorf("client sent payload type %d", e.payloadType)
	}
}

// streamData takes the smux frames of the in-order input apart: the data, and
// how many NOPs there were.
func (a *agent) streamData() (data []byte, nops int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	b := a.stream.Bytes()
	for len(b) >= 8 {
		length := int(binary.LittleEndian.Uint16(b[2:4]))
		if b[0] != 1 || len(b) < 8+length {
			a.t.Fatalf("no smux frame: %x", b[:min(len(b), 32)])
		}
		switch b[1] {
		case 2:
			data = append(data, b[8:8+length]...)
		case 3:
			nops++
		default:
			a.t.Fatalf("smux command %d", b[1])
		}
		b = b[8+length:]
	}
	if len(b) > 0 {
		a.t.Errorf("%d bytes after the last smux frame", len(b))
	}
	return data, nops
}

// streamBytes is how many bytes of smux frames have come in order.
func (a *agent) streamBytes() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.stream.Len()
}

// seen returns the events that keep is true for.
func (a *agent) seen(keep func(event) bool) []event {
	a.mu.Lock()
	defer a.mu.Unlock()
	var all []event
	for _, e := range a.events {
		if keep(e) {
			all = append(all, e)
		}
	}
	return all
}

// inputsAt is when each copy of input seq came.
func (a *agent) inputsAt(seq int64) []time.Duration {
	var at []time.Duration
	for _, e := range a.seen(func(e event) bool { return e.kind == "input_stream_data" && e.seq == seq }) {
		at = append(at, e.at)
	}
	return at
}

// acksOf is how many acknowledges of output seq came.
func (a *agent) acksOf(seq int64) int {
	return len(a.seen(func(e event) bool { return e.kind == "acknowledge" && e.seq == seq }))
}
