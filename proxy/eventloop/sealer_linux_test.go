package eventloop

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net"
	"strings"
	"testing"
)

// Types of TLS records and of handshake messages.
const (
	recordHandshake   = 22
	recordApplication = 23
	newSessionTicket  = 4
	keyUpdate         = 24
)

// sealer makes TLS 1.3 records, so that a test decides what stands in which:
// crypto/tls sends no KeyUpdate of its own accord. opener is its reverse.
//
// Source: RFC 8446, 5.2 and 7.2.
type sealer struct {
	t      *testing.T
	secret []byte
	aead   cipher.AEAD
	iv     []byte
	number uint64
}

func newSealer(t *testing.T, secret []byte) *sealer {
	s := &sealer{t: t}
	s.use(secret)
	return s
}

func (s *sealer) use(secret []byte) {
	block, err := aes.NewCipher(s.expand(secret, "key", 16))
	if err != nil {
		s.t.Fatal(err)
	}
	if s.aead, err = cipher.NewGCM(block); err != nil {
		s.t.Fatal(err)
	}
	s.secret, s.iv, s.number = secret, s.expand(secret, "iv", 12), 0
}

// next goes on with the keys that follow a KeyUpdate.
func (s *sealer) next() { s.use(s.expand(s.secret, "traffic upd", sha256.Size)) }

func (s *sealer) expand(secret []byte, label string, n int) []byte {
	label = "tls13 " + label
	info := append([]byte{0, byte(n), byte(len(label))}, label...)
	key, err := hkdf.Expand(sha256.New, secret, string(append(info, 0)), n)
	if err != nil {
		s.t.Fatal(err)
	}
	return key
}

func (s *sealer) nonce() []byte {
	nonce := bytes.Clone(s.iv)
	binary.BigEndian.PutUint64(nonce[4:], binary.BigEndian.Uint64(nonce[4:])^s.number)
	s.number++
	return nonce
}

// record seals p as a record of that type.
func (s *sealer) record(kind byte, p []byte) []byte {
	inner := append(bytes.Clone(p), kind)
	head := []byte{recordApplication, 3, 3, 0, 0}
	binary.BigEndian.PutUint16(head[3:], uint16(len(inner)+s.aead.Overhead()))
	return s.aead.Seal(head, s.nonce(), inner, head)
}

// open reads a record.
func (s *sealer) open(r io.Reader) (kind byte, p []byte) {
	s.t.Helper()
	head := make([]byte, 5)
	if _, err := io.ReadFull(r, head); err != nil {
		s.t.Fatal(err)
	}
	sealed := make([]byte, binary.BigEndian.Uint16(head[3:]))
	if _, err := io.ReadFull(r, sealed); err != nil {
		s.t.Fatal(err)
	}
	inner, err := s.aead.Open(nil, s.nonce(), sealed, head)
	if err != nil {
		s.t.Fatal(err)
	}
	return inner[len(inner)-1], inner[:len(inner)-1]
}

// securedByHand is secured, whose far side is left to the test once hands are
// shaken: out makes the records for near, in opens those of near.
func securedByHand(t *testing.T, near, far net.Conn) (inner *tls.Conn, out, in *sealer) {
	t.Helper()
	var log bytes.Buffer
	inner, _ = secured(t, near, far, &log)
	if suite := inner.ConnectionState().CipherSuite; suite != tls.TLS_AES_128_GCM_SHA256 {
		t.Fatalf("cipher suite %s, want that of sealer", tls.CipherSuiteName(suite))
	}
	return inner, newSealer(t, secret(t, log.String(), "SERVER_TRAFFIC_SECRET_0")), newSealer(t, secret(t, log.String(), "CLIENT_TRAFFIC_SECRET_0"))
}

// secret finds one in a key log.
func secret(t *testing.T, log, label string) []byte {
	for line := range strings.Lines(log) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == label {
			b, err := hex.DecodeString(f[2])
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
	}
	t.Fatalf("no %s in the key log", label)
	return nil
}
