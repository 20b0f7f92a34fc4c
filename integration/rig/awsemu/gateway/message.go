package gateway

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// Message types on the data channel.
const (
	typeInput  = "input_stream_data"
	typeOutput = "output_stream_data"
	typeAck    = "acknowledge"
	typeClosed = "channel_closed"
	typeStart  = "start_publication"
	typePause  = "pause_publication"
)

// Payload types.
const (
	payloadNone              = 0
	payloadData              = 1
	payloadHandshakeRequest  = 5
	payloadHandshakeResponse = 6
	payloadHandshakeComplete = 7
	payloadFlag              = 10
)

// Flags, the payload of a payloadFlag message.
const (
	flagDisconnectToPort   = 1
	flagTerminateSession   = 2
	flagConnectToPortError = 3
)

const (
	headerFull  = 116 // bytes before PayloadLength
	headerShort = 112 // the service's channel_closed: no PayloadType
	typeWidth   = 32
)

// errFrame is the cause of every refusal of decode.
var errFrame = errors.New("malformed message")

// errDigest is why a strict agent drops a message.
var errDigest = errors.New("wrong digest")

// uuid is in text order; on the wire its halves are swapped.
type uuid [16]byte

// newUUID makes a random one (version 4).
func newUUID() (u uuid) {
	rand.Read(u[:]) // never fails
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	return u
}

func (u uuid) String() string {
	h := hex.EncodeToString(u[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// random says whether u is a version 4 UUID.
func (u uuid) random() bool { return u[6]>>4 == 4 && u[8]>>6 == 2 }

func (u uuid) swapped() (w uuid) {
	copy(w[:8], u[8:])
	copy(w[8:], u[:8])
	return w
}

// message is one agent message. The layout is chapter 3 of the protocol notes
// in the tunnel's documentation; all integers are big-endian.
type message struct {
	header      uint32 // HeaderLength; 0 encodes as headerFull
	nulPadded   bool   // pad the type with NULs, as the service does
	kind        string
	schema      uint32
	created     uint64 // milliseconds since the Unix epoch
	seq         int64
	flags       uint64
	id          uuid
	digest      [32]byte // set by encode
	payloadType uint32
	payload     []byte
}

// newMessage fills in what every message has.
func newMessage(kind string, payload []byte) message {
	return message{kind: kind, schema: 1, created: uint64(time.Now().UnixMilli()), id: newUUID(), payload: payload}
}

// encode computes the digest and returns the frame.
func (m message) encode() []byte {
	header := m.header
	if header == 0 {
		header = headerFull
	}
	frame := make([]byte, 0, int(header)+4+len(m.payload))
	frame = binary.BigEndian.AppendUint32(frame, header)
	frame = append(frame, m.kind...)
	pad := byte(' ')
	if m.nulPadded {
		pad = 0
	}
	for len(frame) < 4+typeWidth {
		frame = append(frame, pad)
	}
	frame = binary.BigEndian.AppendUint32(frame, m.schema)
	frame = binary.BigEndian.AppendUint64(frame, m.created)
	frame = binary.BigEndian.AppendUint64(frame, uint64(m.seq))
	frame = binary.BigEndian.AppendUint64(frame, m.flags)
	id := m.id.swapped()
	frame = append(frame, id[:]...)
	digest := sha256.Sum256(m.payload)
	frame = append(frame, digest[:]...)
	if header != headerShort {
		frame = binary.BigEndian.AppendUint32(frame, m.payloadType)
	}
	frame = binary.BigEndian.AppendUint32(frame, uint32(len(m.payload)))
	return append(frame, m.payload...)
}

// decode parses a frame; payload points into it. The digest is read, not
// checked: see digestHolds. Errors wrap errFrame.
func decode(frame []byte) (message, error) {
	if len(frame) < headerFull {
		return message{}, fmt.Errorf("%w: %d bytes", errFrame, len(frame))
	}
	header := binary.BigEndian.Uint32(frame)
	if header < headerShort || uint64(header)+4 > uint64(len(frame)) {
		return message{}, fmt.Errorf("%w: header length %d in %d bytes", errFrame, header, len(frame))
	}
	payload := frame[header+4:]
	if n := binary.BigEndian.Uint32(frame[header:]); uint64(n) != uint64(len(payload)) {
		return message{}, fmt.Errorf("%w: payload length %d, found %d", errFrame, n, len(payload))
	}
	m := message{
		header:  header,
		kind:    string(bytes.Trim(frame[4:4+typeWidth], "\x00 ")),
		schema:  binary.BigEndian.Uint32(frame[36:]),
		created: binary.BigEndian.Uint64(frame[40:]),
		seq:     int64(binary.BigEndian.Uint64(frame[48:])),
		flags:   binary.BigEndian.Uint64(frame[56:]),
		payload: payload,
	}
	copy(m.id[:], frame[64:80])
	m.id = m.id.swapped()
	copy(m.digest[:], frame[80:112])
	if header >= headerFull {
		m.payloadType = binary.BigEndian.Uint32(frame[112:])
	}
	if m.kind == "" {
		return message{}, fmt.Errorf("%w: no message type", errFrame)
	}
	if m.created == 0 && m.kind != typeStart && m.kind != typePause {
		return message{}, fmt.Errorf("%w: no date", errFrame)
	}
	return m, nil
}

// digestHolds says whether the digest is that of the payload.
func (m message) digestHolds() bool {
	return len(m.payload) == 0 || sha256.Sum256(m.payload) == m.digest
}
