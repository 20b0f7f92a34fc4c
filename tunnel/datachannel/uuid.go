package datachannel

import (
	"crypto/rand"
	"encoding/hex"
)

// UUID names one message, or what else in a session needs a name. On the wire its
// two 8-byte halves stand swapped; this is the order of the text form.
type UUID [16]byte

// NewUUID makes a random one, version 4.
//
// Source: RFC 9562, section 5.4.
func NewUUID() UUID {
	var u UUID
	rand.Read(u[:]) // never returns an error
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	return u
}

// String returns the text form, lower case with hyphens.
func (u UUID) String() string { return string(u.appendText(nil)) }

func (u UUID) appendText(dst []byte) []byte {
	dst = append(hex.AppendEncode(dst, u[0:4]), '-')
	dst = append(hex.AppendEncode(dst, u[4:6]), '-')
	dst = append(hex.AppendEncode(dst, u[6:8]), '-')
	dst = append(hex.AppendEncode(dst, u[8:10]), '-')
	return hex.AppendEncode(dst, u[10:16])
}

// putWire writes u into the 16 bytes of p, halves swapped.
func (u UUID) putWire(p []byte) {
	copy(p[0:8], u[8:16])
	copy(p[8:16], u[0:8])
}

// wireUUID reads what putWire wrote.
func wireUUID(p []byte) UUID {
	var u UUID
	copy(u[8:16], p[0:8])
	copy(u[0:8], p[8:16])
	return u
}
