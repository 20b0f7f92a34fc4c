package hostile

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// startup makes a StartupMessage of any version.
func startup(version uint32, parameters ...string) []byte {
	body := binary.BigEndian.AppendUint32(nil, version)
	for _, p := range parameters {
		body = append(append(body, p...), 0)
	}
	body = append(body, 0)
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body)+4)), body...)
}

// message is one message of the database.
type message struct {
	kind byte
	body []byte
}

// maxMessage is longer than any message of a login.
const maxMessage = 64 << 10

// untilReady reads messages to the first ReadyForQuery or ErrorResponse.
func untilReady(t *testing.T, c net.Conn) []message {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(time.Minute))
	var all []message
	for {
		header := make([]byte, 5)
		if _, err := io.ReadFull(c, header); err != nil {
			t.Fatalf("after %d messages: %v", len(all), err)
		}
		length := binary.BigEndian.Uint32(header[1:])
		if length < 4 || length > maxMessage {
			t.Fatalf("after %d messages: %q is no head of one", len(all), header)
		}
		body := make([]byte, length-4)
		if _, err := io.ReadFull(c, body); err != nil {
			t.Fatal(err)
		}
		all = append(all, message{header[0], body})
		if header[0] == 'Z' || header[0] == 'E' {
			return all
		}
	}
}

// TestProtocolVersionIsTheDatabasesAffair sends newer minors and protocol options:
// they reach the database, and its NegotiateProtocolVersion reaches the client
// before AuthenticationOk.
func TestProtocolVersionIsTheDatabasesAffair(t *testing.T) {
	w := rig.Start(t, rig.Setup{})
	parameters := []string{"user", pgserver.AppUser, "database", pgserver.Database}
	tests := []struct {
		name   string
		packet []byte
		option string
		kinds  string // of the first messages
	}{
		{"3.0", startup(3<<16, parameters...), "", "R"},
		{"3.2", startup(3<<16|2, parameters...), "", "vR"},
		{"3.9999 with an option", startup(3<<16|9999, append(parameters, "_pq_.test_protocol_negotiation", "")...), "_pq_.test_protocol_negotiation", "vR"},
		{"3.0 with an option", startup(3<<16, append(parameters, "_pq_.keys", "long")...), "_pq_.keys", "vR"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, err := net.Dial("tcp", w.Proxy.Addresses()[0])
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := c.Write(test.packet); err != nil {
				t.Fatal(err)
			}
			got := untilReady(t, c)
			for i, kind := range []byte(test.kinds) {
				if got[i].kind != kind {
					t.Fatalf("message %d is %q, want %q: %q", i, got[i].kind, kind, got)
				}
			}
			if last := got[len(got)-1]; last.kind != 'Z' {
				t.Fatalf("login ended with %q", last)
			}
			if test.kinds[0] == 'v' && !bytes.Contains(got[0].body, []byte(test.option)) {
				t.Errorf("NegotiateProtocolVersion %q does not name %q", got[0].body, test.option)
			}
			c.Write([]byte{'X', 0, 0, 0, 4})
		})
	}
}

// TestGSSEncryptionThenTLS goes the way of a libpq with Kerberos at hand.
func TestGSSEncryptionThenTLS(t *testing.T) {
	w := rig.Start(t, rig.Setup{})
	cert := w.Certificate()
	c, err := net.Dial("tcp", w.Proxy.Addresses()[0])
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write(binary.BigEndian.AppendUint32([]byte{0, 0, 0, 8}, 80877104)); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 1)
	if _, err := io.ReadFull(c, answer); err != nil || answer[0] != 'N' {
		t.Fatalf("GSSENCRequest answered with %q, %v, want N", answer, err)
	}
	tc := rig.RequireTLS(t, c, cert)
	if _, err := tc.Write(startup(3<<16, "user", pgserver.AppUser, "database", pgserver.Database)); err != nil {
		t.Fatal(err)
	}
	if got := untilReady(t, tc); got[len(got)-1].kind != 'Z' {
		t.Errorf("login ended with %q", got[len(got)-1])
	}
}

// TestOddClients are answered or let go, and the listener stays.
func TestOddClients(t *testing.T) {
	w := rig.Start(t, rig.Setup{Options: []string{rig.NoSpare}})
	for name, packet := range map[string][]byte{
		"nothing":       nil,
		"a browser":     []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
		"half a packet": {0, 0, 0, 40, 0, 3},
		"a huge packet": {0xff, 0xff, 0xff, 0xff, 0, 3, 0, 0},
		"protocol 2":    startup(2<<16, "user", "x"),
		"no user":       startup(3 << 16),
	} {
		c, err := net.Dial("tcp", w.Proxy.Addresses()[0])
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		c.Write(packet)
		c.(*net.TCPConn).CloseWrite()
		c.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err := io.Copy(io.Discard, c); err != nil {
			t.Errorf("%s: not let go: %v", name, err)
		}
		c.Close()
	}
	if got := w.Query("", rig.WhoAmI); got != rig.ItsMe {
		t.Errorf("afterwards: %q, want %q", got, rig.ItsMe)
	}
	w.MustHaveStarted(1) // for the last query
}
