package datachannel

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// The message types of a data channel, as the wire names them.
const (
	TypeInput            = "input_stream_data"  // client to agent, numbered
	TypeOutput           = "output_stream_data" // agent to client, numbered
	TypeAcknowledge      = "acknowledge"
	TypeChannelClosed    = "channel_closed"
	TypeStartPublication = "start_publication"
	TypePausePublication = "pause_publication"
)

// PayloadType says what a payload is.
type PayloadType uint32

// The payload types that occur in port sessions.
const (
	PayloadOutput            PayloadType = 1 // stream bytes, in both directions
	PayloadHandshakeRequest  PayloadType = 5
	PayloadHandshakeResponse PayloadType = 6
	PayloadHandshakeComplete PayloadType = 7
	PayloadFlag              PayloadType = 10 // uint32, big-endian
)

// Values of a PayloadFlag payload.
const (
	flagTerminateSession   uint32 = 2
	flagConnectToPortError uint32 = 3
)

// Values of Message.Flags.
const (
	flagsData        = 0 // the official client never marks its first message with SYN
	flagsAcknowledge = 3 // SYN and FIN; agents were seen to refuse SYN alone
)

// Layout of a message; all integers are big-endian. Source of the whole file:
// amazon-ssm-agent, agent/session/contracts/agentmessage.go.
const (
	offType        = 4
	offSchema      = 36
	offCreated     = 40
	offSeq         = 48
	offFlags       = 56
	offID          = 64
	offDigest      = 80
	offPayloadType = 112
	offLength      = 116 // of the payload
	headerSize     = 120 // bytes before the payload

	typeSize = offSchema - offType

	headerLength      = 116 // value of the first field: bytes before the payload's length
	shortHeaderLength = 112 // channel_closed of the service: no payload type
	shortHeaderSize   = shortHeaderLength + 4

	schemaVersion = 1
)

// ErrMalformed is a message that cannot be read, ErrDigest one whose payload is
// not what was sent. Neither is to be acknowledged: the agent sends it again.
var (
	ErrMalformed = errors.New("malformed agent message")
	ErrDigest    = errors.New("agent message with a wrong payload digest")
)

// Message is one agent message, the content of one websocket message.
type Message struct {
	Type        string // padding removed
	Schema      uint32
	Created     uint64 // milliseconds since the Unix epoch
	Seq         int64  // counts the data messages of one direction from 0; else 0
	Flags       uint64
	ID          UUID
	Digest      [sha256.Size]byte // of Payload; Append computes it
	PayloadType PayloadType
	Payload     []byte
}

// Append appends m in wire form to dst. m.Digest is not read. It panics when
// m.Type is longer than the 32 bytes it has on the wire.
func Append(dst []byte, m *Message) []byte {
	start := len(dst)
	var header [headerSize]byte
	dst = append(dst, header[:]...)
	dst = append(dst, m.Payload...)
	putHeader(dst[start:], m)
	return dst
}

// putHeader completes frame, whose payload already stands behind the header;
// m.Payload and m.Digest are not read.
func putHeader(frame []byte, m *Message) {
	if len(m.Type) > typeSize {
		panic("datachannel: message type " + m.Type + " is too long")
	}
	payload := frame[headerSize:]
	binary.BigEndian.PutUint32(frame, headerLength)
	n := copy(frame[offType:offSchema], m.Type)
	for i := offType + n; i < offSchema; i++ {
		frame[i] = ' '
	}
	binary.BigEndian.PutUint32(frame[offSchema:], m.Schema)
	binary.BigEndian.PutUint64(frame[offCreated:], m.Created)
	binary.BigEndian.PutUint64(frame[offSeq:], uint64(m.Seq))
	binary.BigEndian.PutUint64(frame[offFlags:], m.Flags)
	m.ID.putWire(frame[offID:])
	digest := sha256.Sum256(payload)
	copy(frame[offDigest:], digest[:])
	binary.BigEndian.PutUint32(frame[offPayloadType:], uint32(m.PayloadType))
	binary.BigEndian.PutUint32(frame[offLength:], uint32(len(payload)))
}

// Parse reads one message. Payload is a part of b, which is not written to.
//
// The header is 116 bytes long, or 112 when it has no payload type, as in the
// service's channel_closed. Start and pause publications carry nothing that
// matters and are taken with any date, digest and length. The errors are
// ErrMalformed and ErrDigest.
func Parse(b []byte) (Message, error) {
	if len(b) < shortHeaderSize {
		return Message{}, fmt.Errorf("%w: %d bytes", ErrMalformed, len(b))
	}
	length := uint64(binary.BigEndian.Uint32(b))
	if length != shortHeaderLength && length < headerLength || length+4 > uint64(len(b)) {
		return Message{}, fmt.Errorf("%w: header length %d in %d bytes", ErrMalformed, length, len(b))
	}
	m := Message{
		Type:    typeName(b[offType:offSchema]),
		Schema:  binary.BigEndian.Uint32(b[offSchema:]),
		Created: binary.BigEndian.Uint64(b[offCreated:]),
		Seq:     int64(binary.BigEndian.Uint64(b[offSeq:])),
		Flags:   binary.BigEndian.Uint64(b[offFlags:]),
		ID:      wireUUID(b[offID:]),
		Digest:  [sha256.Size]byte(b[offDigest:]),
		Payload: b[length+4:],
	}
	if length >= headerLength {
		m.PayloadType = PayloadType(binary.BigEndian.Uint32(b[offPayloadType:]))
	}
	if m.Type == TypeStartPublication || m.Type == TypePausePublication {
		return m, nil
	}
	if m.Type == "" {
		return Message{}, fmt.Errorf("%w: no message type", ErrMalformed)
	}
	if m.Created == 0 {
		return Message{}, fmt.Errorf("%w: %s without a date", ErrMalformed, m.Type)
	}
	if n := binary.BigEndian.Uint32(b[length:]); uint64(n) != uint64(len(m.Payload)) {
		return Message{}, fmt.Errorf("%w: %s with payload length %d and %d bytes of it", ErrMalformed, m.Type, n, len(m.Payload))
	}
	if len(m.Payload) > 0 && sha256.Sum256(m.Payload) != m.Digest {
		return Message{}, fmt.Errorf("%w: %s number %d", ErrDigest, m.Type, m.Seq)
	}
	return m, nil
}

// typeName removes the padding: spaces by the agent, NULs by the service. The
// usual names are not allocated.
func typeName(b []byte) string {
	b = bytes.Trim(b, "\x00 ")
	for _, known := range [...]string{TypeOutput, TypeAcknowledge, TypeInput} {
		if string(b) == known {
			return known
		}
	}
	return string(b)
}
