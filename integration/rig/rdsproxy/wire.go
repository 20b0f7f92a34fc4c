package rdsproxy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Codes that stand where a StartupMessage has its version.
//
// Source: PostgreSQL 18 docs, protocol-message-formats.html.
const (
	codeCancel = 80877102
	codeSSL    = 80877103
	codeGSS    = 80877104
	version    = 196608 // 3.0
)

const (
	maxPacket   = 10000    // before the login
	maxPassword = 64 << 10 // a token's
)

var errPacket = errors.New("not a packet of the start-up phase")

// readPacket reads a packet that has no type: its code, and what is behind that.
func readPacket(r io.Reader) (code uint32, body []byte, err error) {
	var head [8]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	length := binary.BigEndian.Uint32(head[:4])
	if length < 8 || length > maxPacket {
		return 0, nil, errPacket
	}
	body = make([]byte, length-8)
	_, err = io.ReadFull(r, body)
	return binary.BigEndian.Uint32(head[4:]), body, err
}

// parameter is one of a StartupMessage, in its order.
type parameter struct{ name, value string }

func readParameters(body []byte) ([]parameter, error) {
	var all []parameter
	words := bytes.Split(body, []byte{0})
	for i := 0; i+1 < len(words) && len(words[i]) > 0; i += 2 {
		all = append(all, parameter{string(words[i]), string(words[i+1])})
	}
	if !bytes.HasSuffix(body, []byte{0}) {
		return nil, errPacket
	}
	return all, nil
}

// readPassword reads a PasswordMessage.
func readPassword(r io.Reader) (string, error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return "", err
	}
	length := binary.BigEndian.Uint32(head[1:])
	if head[0] != 'p' || length < 5 || length > maxPassword {
		return "", fmt.Errorf("message %q of %d bytes in place of a password", head[0], length)
	}
	body := make([]byte, length-4)
	if _, err := io.ReadFull(r, body); err != nil {
		return "", err
	}
	return string(bytes.TrimSuffix(body, []byte{0})), nil
}

// message makes one with a type.
func message(kind byte, body ...byte) []byte {
	m := binary.BigEndian.AppendUint32([]byte{kind}, uint32(4+len(body)))
	return append(m, body...)
}

func authentication(code uint32) []byte {
	return message('R', binary.BigEndian.AppendUint32(nil, code)...)
}

func status(name, value string) []byte { return message('S', []byte(name+"\x00"+value+"\x00")...) }

func fatal(state, text string) []byte {
	return message('E', []byte("SFATAL\x00VFATAL\x00C"+state+"\x00M"+text+"\x00\x00")...)
}
