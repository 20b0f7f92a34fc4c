//go:build linux

package hostile

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// welcome is AuthenticationOk.
const welcome = "R\x00\x00\x00\x08\x00\x00\x00\x00"

var (
	sslRequest = []byte{0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f}
	whoIAm     = startup(3<<16, "user", pgserver.AppUser, "database", pgserver.Database)
)

// hostile is a kind of client that no PostgreSQL client is.
type hostile struct {
	name  string
	times int
	talk  func(c net.Conn) (answer string, err error)
	// want is what the answer begins with; empty, there must be none. Where the
	// client sends more than is read, "" is accepted as well: a reset may overtake
	// the answer.
	want  string
	reset bool
	dials int // upstream connections that each may cost
}

// says sends packet and returns what came back until the end.
func says(packet ...[]byte) func(net.Conn) (string, error) {
	return func(c net.Conn) (string, error) {
		c.Write(bytes.Join(packet, nil)) // may be cut short
		return theRest(c)
	}
}

func theRest(c net.Conn) (string, error) {
	all, err := io.ReadAll(c)
	return string(all), err
}

// saysInTLS asks for TLS and sends packet inside.
func saysInTLS(packet ...[]byte) func(net.Conn) (string, error) {
	return func(c net.Conn) (string, error) {
		c.Write(sslRequest)
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			return "", err
		}
		return says(packet...)(tls.Client(c, unverified("postgresql")))
	}
}

// handshakes begins with TLS; the answer is the error of the handshake, or what
// came after it.
func handshakes(first []byte, protocols ...string) func(net.Conn) (string, error) {
	return func(c net.Conn) (string, error) {
		c.Write(first)
		if _, err := io.ReadFull(c, make([]byte, len(first)/8)); err != nil {
			return "", err
		}
		secure := tls.Client(c, unverified(protocols...))
		if err := secure.Handshake(); err != nil {
			return err.Error(), nil
		}
		return says(whoIAm)(secure)
	}
}

// unverified is what attackers, and sslmode=require, do.
func unverified(protocols ...string) *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, NextProtos: protocols}
}

// entries is a StartupMessage of n parameters.
func entries(n int) []byte {
	p := []string{"user", pgserver.AppUser, "database", pgserver.Database}
	for range n {
		p = append(p, "a", "")
	}
	return startup(3<<16, p...)
}

// cancelOfNobody has a key that no client was told.
func cancelOfNobody(c net.Conn) (string, error) {
	request := append([]byte{0, 0, 0, 16, 0x04, 0xd2, 0x16, 0x2e}, make([]byte, 8)...)
	rand.Read(request[8:])
	return says(request)(c)
}

// query is a simple query.
func query(sql string) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{'Q'}, uint32(len(sql)+5)), sql+"\x00"...)
}

var hostiles = []hostile{
	{name: "port scanner", times: 300, talk: func(net.Conn) (string, error) { return "", nil }},
	{name: "port scanner that resets", times: 300, talk: func(c net.Conn) (string, error) {
		return "", c.(*net.TCPConn).SetLinger(0)
	}},
	{name: "browser", times: 100, talk: says([]byte("GET /" + rig.SQLMarker + " HTTP/1.1\r\nHost: localhost\r\n\r\n")), want: "HTTP/1.1 400 "},
	{name: "SSH", times: 100, talk: says([]byte("SSH-2.0-OpenSSH_9.9\r\n")), want: "E"},
	{name: "TLS for HTTP/2", times: 100, talk: handshakes(nil, "h2", "http/1.1"), want: "remote error: tls: no application protocol"},
	// As PostgreSQL does, which closes after the handshake.
	{name: "TLS without ALPN", times: 100, talk: handshakes(nil)},
	{name: "TLS for HTTP/2 behind SSLRequest", times: 100, talk: handshakes(sslRequest, "h2"), want: "remote error: tls: no application protocol"},
	// The early bytes are never read: a client that announces some is refused, and
	// where they come unannounced the handshake fails.
	{name: "0-RTT", times: 100, talk: saysEarly(nil, true), want: unsupported},
	{name: "0-RTT behind SSLRequest", times: 100, talk: saysEarly(sslRequest, true), want: unsupported},
	{name: "application data behind ClientHello", times: 100, talk: saysEarly(nil, false), want: "\x16\x03\x03"},
	{name: "ticket of another server, TLS 1.3", times: 100, talk: resumes(tls.VersionTLS13), want: "E"},
	{name: "ticket of another server, TLS 1.2", times: 100, talk: resumes(tls.VersionTLS12), want: "E"},
	{name: "claimed length of 2 GiB", times: 100, talk: says([]byte{0x7f, 0xff, 0xff, 0xff, 0, 3, 0, 0}, make([]byte, 1000)), want: "E"},
	{name: "claimed length of 2 GiB inside TLS", times: 100, talk: saysInTLS([]byte{0x7f, 0xff, 0xff, 0xff, 0, 3, 0, 0}), want: "E"},
	{name: "a million parameters", times: 10, talk: says(entries(1e6)), want: "E", reset: true},
	{name: "as many parameters as fit", times: 10, talk: says(entries(3000)), want: welcome + "E", dials: 1},
	{name: "PasswordMessage first", times: 100, talk: says([]byte{'p', 0, 0, 0, 10}, []byte("guess\x00")), want: "E"},
	{name: "PasswordMessage unasked", times: 10, talk: says(whoIAm, []byte{'p', 0, 0, 0, 10}, []byte("guess\x00")), want: welcome, dials: 1},
	{name: "SSLRequest twice in clear", times: 100, talk: says(sslRequest, sslRequest), want: "S"},
	{name: "SSLRequest inside TLS", times: 100, talk: saysInTLS(sslRequest), want: "E"},
	{name: "StartupMessage in clear behind SSLRequest", times: 100, talk: says(sslRequest, whoIAm), want: "S"},
	{name: "queries before the login", times: 10, talk: says(whoIAm, query("select 1"), []byte{'X', 0, 0, 0, 4}), want: welcome, dials: 1},
	{name: "cancel requests with random keys", times: 3000, talk: cancelOfNobody},
}
