package datachannel

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
)

// The payload of an acknowledge, in the order and spelling of both official
// peers. IsSequentialMessage is true for messages before their turn as well.
const (
	ackHead = `{"AcknowledgedMessageType":"`
	ackID   = `","AcknowledgedMessageId":"`
	ackSeq  = `","AcknowledgedMessageSequenceNumber":`
	ackTail = `,"IsSequentialMessage":true}`
)

// appendAcknowledge appends a whole acknowledge message, named id, for output
// message seq, named acked. Each message has its own: numbers cannot share one.
func appendAcknowledge(dst []byte, id UUID, created uint64, acked UUID, seq int64) []byte {
	start := len(dst)
	var header [headerSize]byte
	dst = append(dst, header[:]...)
	dst = append(dst, ackHead+TypeOutput+ackID...)
	dst = acked.appendText(dst)
	dst = append(dst, ackSeq...)
	dst = strconv.AppendInt(dst, seq, 10)
	dst = append(dst, ackTail...)
	putHeader(dst[start:], &Message{Type: TypeAcknowledge, Schema: schemaVersion, Created: created, Flags: flagsAcknowledge, ID: id})
	return dst
}

// parseAcknowledge returns the number that is acknowledged. Nothing else in the
// payload matters to a receiver.
func parseAcknowledge(payload []byte) (int64, error) {
	if seq, ok := parseUsualAcknowledge(payload); ok {
		return seq, nil
	}
	var ack struct{ AcknowledgedMessageSequenceNumber *int64 }
	if err := json.Unmarshal(payload, &ack); err != nil {
		return 0, fmt.Errorf("%w: acknowledge: %w", ErrMalformed, err)
	}
	if ack.AcknowledgedMessageSequenceNumber == nil || *ack.AcknowledgedMessageSequenceNumber < 0 {
		return 0, fmt.Errorf("%w: acknowledge without a number", ErrMalformed)
	}
	return *ack.AcknowledgedMessageSequenceNumber, nil
}

// parseUsualAcknowledge knows only the exact bytes that agents send, and needs
// no reflection for them.
func parseUsualAcknowledge(p []byte) (int64, bool) {
	const idSize = 36
	p, ok := bytes.CutPrefix(p, []byte(ackHead+TypeInput+ackID))
	if !ok || len(p) < idSize || len(bytes.Trim(p[:idSize], "0123456789abcdef-")) > 0 {
		return 0, false
	}
	if p, ok = bytes.CutPrefix(p[idSize:], []byte(ackSeq)); !ok {
		return 0, false
	}
	if p, ok = bytes.CutSuffix(p, []byte(ackTail)); !ok || len(p) == 0 || len(p) > 18 {
		return 0, false
	}
	if p[0] == '0' && len(p) > 1 {
		return 0, false // not JSON
	}
	var seq int64
	for _, d := range p {
		if d < '0' || d > '9' {
			return 0, false
		}
		seq = seq*10 + int64(d-'0')
	}
	return seq, true
}
