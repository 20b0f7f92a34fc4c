package mux

import (
	"encoding/binary"
	"fmt"
)

// A frame is a header of 8 bytes, then data:
//
//	version 1 | command 1 | data length 2 | stream id 4     (little-endian)
//
// Source: github.com/xtaci/smux, frame.go.
const (
	headerSize = 8
	version    = 1

	// maxFrameData is the most data one PSH carries: the library's default
	// MaxFrameSize. The length field would allow 65,535.
	maxFrameData = 32 << 10
)

type command byte

const (
	cmdSYN command = 0 // opens a stream
	cmdFIN command = 1 // ends a stream, both ways
	cmdPSH command = 2 // carries data, the only command that does
	cmdNOP command = 3 // does nothing; stream id 0
)

// header is the decoded first part of a frame.
type header struct {
	command command
	length  int // bytes of data that follow
	stream  uint32
}

// put encodes h into the first 8 bytes of p and returns 8.
func (h header) put(p []byte) int {
	p[0] = version
	p[1] = byte(h.command)
	binary.LittleEndian.PutUint16(p[2:], uint16(h.length))
	binary.LittleEndian.PutUint32(p[4:], h.stream)
	return headerSize
}

// parseHeader decodes a header. Every error is ErrProtocol: another version than
// 1, a command that version 1 does not have, data behind a command without.
func parseHeader(p [headerSize]byte) (header, error) {
	h := header{
		command: command(p[1]),
		length:  int(binary.LittleEndian.Uint16(p[2:])),
		stream:  binary.LittleEndian.Uint32(p[4:]),
	}
	switch {
	case p[0] != version:
		return h, fmt.Errorf("%w: version %d", ErrProtocol, p[0])
	case h.command > cmdNOP:
		return h, fmt.Errorf("%w: command %d", ErrProtocol, h.command)
	case h.command != cmdPSH && h.length != 0:
		return h, fmt.Errorf("%w: command %d with %d bytes of data", ErrProtocol, h.command, h.length)
	}
	return h, nil
}
