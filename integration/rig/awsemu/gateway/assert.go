package gateway

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"regexp"
	"time"
)

var uuidText = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

// opened checks the open message of a connection.
func (w *watch) opened(text []byte, open openMessage) {
	var fields map[string]string
	_ = json.Unmarshal(text, &fields)
	for _, name := range []string{"MessageSchemaVersion", "RequestId", "TokenValue", "ClientId", "ClientVersion"} {
		if fields[name] == "" {
			w.reportf("the open message has no %s", name)
		}
	}
	if len(fields) > 5 {
		w.reportf("the open message has %d fields, want 5", len(fields))
	}
	if open.MessageSchemaVersion != "1.0" {
		w.reportf("the open message has MessageSchemaVersion %q, want 1.0", open.MessageSchemaVersion)
	}
	if !uuidText.MatchString(open.RequestId) || !uuidText.MatchString(open.ClientId) {
		w.reportf("the open message's ids are not version 4 UUIDs")
	}
	w.g.mu.Lock()
	again := w.g.requests[open.RequestId]
	w.g.requests[open.RequestId] = true
	w.g.mu.Unlock()
	if again {
		w.reportf("the open message's RequestId was used before")
	}
	w.mu.Lock()
	changed := w.clientID != "" && w.clientID != open.ClientId
	w.clientID = open.ClientId
	w.mu.Unlock()
	if changed {
		w.reportf("the ClientId changed within the session")
	}
}

// fromClient checks a message as it arrives.
func (w *watch) fromClient(connection int, frame []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.overAt != 0 && w.g.ticks.now() > w.overAt+w.allowed() {
		w.reportf("a message after channel_closed")
	}
	m, err := decode(frame)
	if err != nil {
		w.reportf("%v", err)
		return
	}
	w.form(m, frame)
	switch m.kind {
	case typeInput, typeAck:
		if w.restarted {
			return
		}
	}
	switch m.kind {
	case typeInput:
		w.input(m, frame)
	case typeAck:
		w.ack(m)
	default:
		w.reportf("message of type %q", m.kind)
	}
}

// form checks what every message has to look like.
func (w *watch) form(m message, frame []byte) {
	kind := make([]byte, typeWidth)
	copy(kind, m.kind)
	for i := len(m.kind); i < typeWidth; i++ {
		kind[i] = ' '
	}
	bad := ""
	switch {
	case m.header != headerFull:
		bad = fmt.Sprintf("header length %d", m.header)
	case !bytes.Equal(frame[4:4+typeWidth], kind):
		bad = "message type not padded with spaces"
	case m.schema != 1:
		bad = fmt.Sprintf("schema version %d", m.schema)
	case !m.id.random():
		bad = "message id is not a version 4 UUID"
	case len(m.payload) == 0:
		bad = "empty payload"
	case !m.digestHolds():
		bad = "wrong digest"
	case m.kind == typeAck && (m.flags != 3 || m.seq != 0 || m.payloadType != payloadNone):
		bad = fmt.Sprintf("acknowledge with flags %d, number %d, payload type %d; want 3, 0, 0", m.flags, m.seq, m.payloadType)
	case m.kind == typeInput && m.flags != 0:
		bad = fmt.Sprintf("data with flags %d, want 0", m.flags)
	}
	if bad != "" {
		w.reportf("%s %d: %s", m.kind, m.seq, bad)
	}
}

// input checks a data message: numbers, resends, window.
func (w *watch) input(m message, frame []byte) {
	if m.seq < 0 || m.seq > w.next+keptInputs {
		w.reportf("input %d after %d", m.seq, w.next-1)
		return
	}
	sum := sha256.Sum256(frame)
	if r, ok := w.inputs[m.seq]; ok {
		if r.sum != sum {
			w.reportf("input %d was sent again, but not the same bytes", m.seq)
		}
		if r.acked && r.connection == w.connection && w.g.ticks.now() > r.at+w.allowed() && !w.dark() {
			w.strictly("input %d was sent again long after its acknowledgement", m.seq)
		}
		return
	}
	if m.seq < w.next && !w.missing[m.seq] {
		return // too old to know
	}
	w.firstCopy(m, sum)
}

func (w *watch) firstCopy(m message, sum [32]byte) {
	for n := w.next; n < m.seq; n++ {
		w.missing[n] = true
		if w.connection <= 1 { // later ones may have been lost with a connection
			w.reportf("input %d is missing before %d", n, m.seq)
		}
	}
	delete(w.missing, m.seq)
	w.next = max(w.next, m.seq+1)
	w.inputs[m.seq] = &inputRecord{sum: sum, size: len(m.payload)}
	delete(w.inputs, m.seq-keptInputs)

	if age := time.Since(time.UnixMilli(int64(m.created))).Abs(); age > dateSlack {
		w.reportf("input %d is dated %v from now", m.seq, age.Round(time.Second))
	}
	if (m.seq == 0) != (m.payloadType == payloadHandshakeResponse) {
		w.reportf("input %d has payload type %d; the HandshakeResponse is number 0", m.seq, m.payloadType)
	}
	if m.seq > 0 && !w.complete {
		w.reportf("input %d before HandshakeComplete was delivered", m.seq)
	}
	if m.payloadType == payloadData && len(m.payload) > w.g.cfg.MaxPayload {
		w.reportf("input %d has %d bytes, more than %d", m.seq, len(m.payload), w.g.cfg.MaxPayload)
	}
	w.unacked += len(m.payload)
	w.uploaded, w.uploadedAt = w.uploaded+len(m.payload), w.g.ticks.now()
	if w.unacked > w.g.cfg.Window && !w.tooMuch {
		w.tooMuch = true
		w.strictly("%d input bytes are unacknowledged, more than the window of %d", w.unacked, w.g.cfg.Window)
	}
	if w.paused && m.payloadType == payloadData {
		if w.pausedBytes += len(m.payload); w.pausedBytes > w.g.cfg.Window {
			w.paused = false
			w.strictly("input goes on more than a window after pause_publication")
		}
	}
}

// ack checks an acknowledgement against what was delivered.
func (w *watch) ack(m message) {
	var fields map[string]any
	var a ackPayload
	if json.Unmarshal(m.payload, &fields) != nil || json.Unmarshal(m.payload, &a) != nil || len(fields) != 4 ||
		a.AcknowledgedMessageType != typeOutput || !a.IsSequentialMessage {
		w.reportf("acknowledge with payload %.300q", m.payload)
		return
	}
	n := a.AcknowledgedMessageSequenceNumber
	o := w.outputs[n]
	switch {
	case (o == nil || o.acks >= o.deliveries) && n >= 0 && n < w.reackable:
		return
	case o == nil || o.acks >= o.deliveries:
		w.reportf("acknowledge for output %d, which was not delivered or has been acknowledged", n)
		return
	case o.id != a.AcknowledgedMessageId:
		w.reportf("acknowledge for output %d names the wrong message id", n)
	}
	o.acks++
	o.since = nil // one answers all copies so far: the client may have kept it back
	if o.acks == o.deliveries && !w.g.cfg.OfficialClient {
		delete(w.outputs, n)
	}
}
