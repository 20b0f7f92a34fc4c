package dsql

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Codes in place of a protocol version.
const (
	codeCancel = 80877102
	codeSSL    = 80877103
	codeGSS    = 80877104
)

const (
	maxStartup = 10_000
	maxMessage = 256 << 20 // as much as a row may have, and more
)

// startup is a packet without a type byte: its code or version, and what follows.
type startup struct {
	code   uint32
	packet []byte // all of it
	params [][2]string
}

// readStartup reads such a packet, whose first bytes may have been read already.
func readStartup(r io.Reader) (startup, error) {
	head := make([]byte, 8)
	if _, err := io.ReadFull(r, head); err != nil {
		return startup{}, err
	}
	length := binary.BigEndian.Uint32(head)
	if length < 8 || length > maxStartup {
		return startup{}, fmt.Errorf("a packet of %d bytes", length)
	}
	packet := append(head, make([]byte, length-8)...)
	if _, err := io.ReadFull(r, packet[8:]); err != nil {
		return startup{}, err
	}
	s := startup{code: binary.BigEndian.Uint32(packet[4:]), packet: packet}
	if s.code>>16 != 3 {
		return s, nil
	}
	fields := strings.Split(string(packet[8:]), "\x00")
	for i := 0; i+1 < len(fields) && fields[i] != ""; i += 2 {
		s.params = append(s.params, [2]string{fields[i], fields[i+1]})
	}
	return s, nil
}

// value is that of a parameter, "" for none.
func (s startup) value(name string) string {
	for _, p := range s.params {
		if p[0] == name {
			return p[1]
		}
	}
	return ""
}

// encode is a StartupMessage with other parameters.
func (s startup) encode(params [][2]string) []byte {
	body := binary.BigEndian.AppendUint32(nil, s.code)
	for _, p := range params {
		body = append(append(append(append(body, p[0]...), 0), p[1]...), 0)
	}
	body = append(body, 0)
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body)+4)), body...)
}

// readMessage reads a message with its head.
func readMessage(r io.Reader) ([]byte, error) {
	head := make([]byte, 5)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	length := binary.BigEndian.Uint32(head[1:])
	if length < 4 || length > maxMessage {
		return nil, errors.New("a message of a length that none has")
	}
	var body bytes.Buffer // which grows with what comes
	body.Write(head)
	if n, err := io.CopyN(&body, r, int64(length)-4); err != nil {
		return nil, fmt.Errorf("in a message, after %d bytes: %w", n, io.ErrUnexpectedEOF)
	}
	return body.Bytes(), nil
}

func message(kind byte, body ...byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(body)+4)), body...)
}

// complaint is an ErrorResponse.
func complaint(severity, code, text, hint string) []byte {
	fields := []string{"S" + severity, "V" + severity, "C" + code, "M" + text}
	if hint != "" {
		fields = append(fields, "H"+hint)
	}
	return message('E', append([]byte(strings.Join(fields, "\x00")), 0, 0)...)
}
