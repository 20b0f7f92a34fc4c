package proxy

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/proxy/eventloop"
)

// maxStartup bounds the body of a packet before login: the server's own limit
// (MAX_STARTUP_PACKET_LENGTH in its pqcomm.h).
const maxStartup = 10000

// Codes that stand where a StartupMessage has its protocol version.
//
// Source: PostgreSQL 18 docs, protocol-message-formats.html.
const (
	codeCancel = 1234<<16 | 5678
	codeSSL    = 1234<<16 | 5679
	codeGSSENC = 1234<<16 | 5680
)

// tlsHandshakeRecord is the first byte of a TLS client hello, and of no packet
// that fits maxStartup.
const tlsHandshakeRecord = 0x16

// alpnProtocol is PostgreSQL's name in TLS's protocol negotiation.
const alpnProtocol = "postgresql"

// startupMessage is a StartupMessage of any 3.x version, as the client wrote
// it: order and duplicates kept, `_pq_.` options among the parameters.
type startupMessage struct {
	version uint32
	params  []param
}

type param struct{ name, value string }

// value returns the last value given for name, which is the one PostgreSQL
// takes.
func (m startupMessage) value(name string) string {
	var v string
	for _, p := range m.params {
		if p.name == name {
			v = p.value
		}
	}
	return v
}

// encode returns the packet, its length first.
func (m startupMessage) encode() []byte {
	b := binary.BigEndian.AppendUint32(make([]byte, 4, 256), m.version)
	for _, p := range m.params {
		b = append(append(b, p.name...), 0)
		b = append(append(b, p.value...), 0)
	}
	b = append(b, 0)
	binary.BigEndian.PutUint32(b, uint32(len(b)))
	return b
}

// size is the length of the packet's body, in bytes: what maxStartup bounds.
func (m startupMessage) size() int {
	n := 4 + 1
	for _, p := range m.params {
		n += len(p.name) + len(p.value) + 2
	}
	return n
}

// greet answers a client until it has said what it wants: a startupMessage or a
// *pgproto3.CancelRequest. It returns the conn to go on with, which is another
// one when the client asked for TLS.
//
// With a nil cfg, SSLRequest is answered N and direct TLS refused, as
// PostgreSQL does on a Unix socket. SSLRequest and GSSENCRequest are taken once
// each and in either order, but not inside TLS. c is read byte-exactly, so what
// a client sends in clear behind an SSLRequest lands in the TLS handshake and
// fails it. Nothing bounds the wait: c must carry a deadline.
//
// begun is called as soon as c turns out to be a client that asks for encryption, and so
// before its handshake; it must not wait.
//
// Source: PostgreSQL 18 docs, protocol-flow.html#PROTOCOL-FLOW-START-UP;
// ProcessSSLStartup and ProcessStartupPacket in its backend_startup.c.
func greet(c net.Conn, cfg *tls.Config, begun func()) (net.Conn, any, error) {
	d := door{conn: c, cfg: cfg, begun: begun}
	wanted, err := d.answer()
	return d.conn, wanted, err
}

// door is where a client stands that has not said what it wants.
type door struct {
	conn net.Conn    // replaced by its TLS
	cfg  *tls.Config // nil: no TLS is offered
	// begun is as in greet.
	begun func()

	secure, askedSSL, askedGSS bool
}

// answer takes packets until one says what the client wants.
func (d *door) answer() (any, error) {
	first, err := d.begin()
	for {
		if err != nil {
			return nil, err
		}
		var wanted any
		if wanted, err = d.packet(first); wanted != nil || err != nil {
			return wanted, err
		}
		first, err = d.next()
	}
}

// next returns the first byte of a packet that is not the first. A client that
// closes inside TLS before its first packet has most likely looked at the
// certificate: libpq checks the name in it then.
func (d *door) next() (byte, error) {
	first, err := readFirst(d.conn)
	if err != nil && d.secure {
		err = leftAfterTLS(err)
	}
	return first, err
}

// leftAfterTLS is a client that left for the sake of the certificate, probably.
func leftAfterTLS(err error) error {
	return &silent{error: leftAfterHandshake.New(nil, err), handshake: true, after: true}
}

// begin returns the first byte of the first packet, inside TLS where the client
// begins with that.
func (d *door) begin() (byte, error) {
	first, err := readFirst(d.conn)
	if err != nil || first != tlsHandshakeRecord {
		return first, err
	}
	d.begun()
	if err := d.enter(acceptDirect(&unreadConn{Conn: d.conn, unread: []byte{first}}, d.cfg)); err != nil {
		return 0, err
	}
	return d.next()
}

// packet answers the packet that begins with first. Without an error, a nil wanted
// is a request that another packet follows.
func (d *door) packet(first byte) (wanted any, err error) {
	code, body, err := readPacket(d.conn, first)
	if err != nil {
		return nil, err
	}
	bare := len(body) == 4
	switch {
	case code == codeCancel:
		return d.cancel(body)
	case code == codeSSL && bare && !d.secure && !d.askedSSL:
		d.begun()
		return nil, d.ssl()
	case code == codeGSSENC && bare && !d.secure && !d.askedGSS:
		d.begun()
		return nil, d.gssenc()
	case code == codeSSL || code == codeGSSENC:
		return nil, protocolViolation("SSLRequest or GSSENCRequest out of turn")
	}
	return d.startup(code, body)
}

// enter goes on inside TLS, unless there is an error.
func (d *door) enter(inside *tls.Conn, err error) error {
	if err == nil {
		d.conn, d.secure = inside, true
	}
	return err
}

// cancel is a CancelRequest. Its client listens for no answer.
func (d *door) cancel(body []byte) (any, error) {
	request := new(pgproto3.CancelRequest)
	if len(body) == 8 && binary.BigEndian.Uint32(body[4:]) == 0 { // of a driver that was given no key
		return request, nil
	}
	if err := request.Decode(body); err != nil {
		return nil, &silent{error: protocolViolation("invalid CancelRequest")}
	}
	return request, nil
}

// ssl is an SSLRequest.
func (d *door) ssl() error {
	d.askedSSL = true
	if d.cfg == nil {
		return reply(d.conn, 'N')
	}
	if err := reply(d.conn, 'S'); err != nil {
		return err
	}
	return d.enter(acceptTLS(d.conn, d.cfg))
}

// gssenc is a GSSENCRequest.
func (d *door) gssenc() error {
	d.askedGSS = true
	return reply(d.conn, 'N')
}

// startup is a StartupMessage, whose version code is.
func (d *door) startup(code uint32, body []byte) (any, error) {
	m, err := parseStartup(code, body[4:])
	if err != nil {
		return nil, err
	}
	return m, nil
}

// readFirst reads the first byte of a packet. A client that closes there did
// nothing wrong: port scanners and health checks do.
func readFirst(c io.Reader) (byte, error) {
	var b [1]byte
	if _, err := io.ReadFull(c, b[:]); err != nil {
		return 0, clientGone(err)
	}
	return b[0], nil
}

// readPacket reads the packet that begins with first. body has the code in its
// first four bytes. A body over maxStartup is refused before memory is taken.
func readPacket(r io.Reader, first byte) (code uint32, body []byte, err error) {
	head := [8]byte{first}
	if _, err := io.ReadFull(r, head[1:4]); err != nil {
		return 0, nil, clientGone(err)
	}
	if isHTTP(head[:4]) {
		return 0, nil, errHTTP
	}
	if isHeader(head[:4]) {
		return 0, nil, causes.ProxyHeaderUnexpected.New(nil, nil)
	}
	length := binary.BigEndian.Uint32(head[:4])
	if length < 8 || length > maxStartup+4 {
		return 0, nil, causes.BadStartup.New(nil, nil)
	}
	body = make([]byte, length-4)
	if _, err := io.ReadFull(r, body); err != nil {
		return 0, nil, clientGone(err)
	}
	return binary.BigEndian.Uint32(body), body, nil
}

func reply(c net.Conn, answer byte) error {
	if _, err := c.Write([]byte{answer}); err != nil {
		return clientGone(err)
	}
	return nil
}

// acceptTLS is the server's half of a handshake. Nothing can be said to a
// client that fails it, so its errors are silent.
func acceptTLS(c net.Conn, cfg *tls.Config) (*tls.Conn, error) {
	secure := tls.Server(eventloop.Records(c), cfg)
	switch err := secure.Handshake(); {
	case shown(secure) && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)):
		return nil, leftAfterTLS(clientGone(err))
	case errors.Is(err, io.EOF):
		return nil, &silent{error: clientGone(err)}
	case brokeOff(err):
		return nil, &silent{handshake: true, error: certificateRefused.New(nil, errors.New("the client broke it off"))}
	case refusesCertificate(err):
		return nil, &silent{handshake: true, error: certificateRefused.New(nil, err)}
	case err != nil:
		return nil, &silent{handshake: true, error: noHandshake.New(nil, err)}
	}
	return secure, nil
}

// shown reports whether the client of a failed handshake had been sent the
// certificate: it goes out with the answer to the ClientHello, which settles the
// version. Node.js judges the certificate when its own side is done, and closes
// without sending its Finished: for it the handshake is over, here it is not.
func shown(c *tls.Conn) bool { return c.ConnectionState().Version != 0 }

// refusesCertificate reports whether err is an alert about the certificate, such as
// "unknown certificate authority", which is how Go, Java and others take their leave.
func refusesCertificate(err error) bool {
	failed, ok := errors.AsType[*net.OpError](err)
	return ok && failed.Op == "remote error" && strings.Contains(failed.Err.Error(), "certificate")
}

// brokeOff reports whether err is what crypto/tls makes of an alert in plain text.
// OpenSSL sends one when it does not trust the certificate: it has no keys for its
// own side yet.
func brokeOff(err error) bool {
	failed, ok := errors.AsType[*net.OpError](err)
	return ok && failed.Op == "local error" && failed.Err.Error() == "tls: bad record MAC"
}

// acceptDirect takes a client that began with TLS, which must have named the
// protocol by ALPN: that is what keeps other TLS protocols from being taken for
// this one.
func acceptDirect(c net.Conn, cfg *tls.Config) (*tls.Conn, error) {
	if cfg == nil {
		return nil, &silent{error: protocolViolation("direct TLS on a Unix socket"), handshake: true}
	}
	secure, err := acceptTLS(c, cfg)
	if err != nil {
		return nil, err
	}
	if secure.ConnectionState().NegotiatedProtocol != alpnProtocol {
		return nil, &silent{error: protocolViolation("direct TLS without ALPN"), handshake: true}
	}
	return secure, nil
}

// parseStartup reads the parameters of a StartupMessage: pairs of
// NUL-terminated strings, then one NUL that ends the packet.
func parseStartup(version uint32, b []byte) (startupMessage, error) {
	m := startupMessage{version: version}
	if major := version >> 16; major != 3 {
		return m, causes.OldProtocol.New(causes.Facts{"version": fmt.Sprintf("%d.%d", major, version&0xffff)}, nil)
	}
	for len(b) > 1 && b[0] != 0 {
		name, rest, _ := bytes.Cut(b, []byte{0})
		value, rest, ok := bytes.Cut(rest, []byte{0})
		if !ok {
			return m, protocolViolation("invalid startup packet: a parameter without a value")
		}
		m.params = append(m.params, param{string(name), string(value)})
		b = rest
	}
	if len(b) != 1 || b[0] != 0 {
		return m, protocolViolation("invalid startup packet: expected terminator as last byte")
	}
	return m, nil
}

// unreadConn is a conn whose first bytes have been read already.
type unreadConn struct {
	net.Conn
	unread []byte
}

func (c *unreadConn) Read(p []byte) (int, error) {
	if len(c.unread) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.unread)
	c.unread = c.unread[n:]
	return n, nil
}

// NetConn returns the conn beneath, as (*tls.Conn).NetConn does.
func (c *unreadConn) NetConn() net.Conn { return c.Conn }

// clientGone wraps an error of reading from or writing to the client. When the
// deadline or a shutdown caused it, the session's context says so.
func clientGone(err error) error {
	if errors.Is(err, io.EOF) {
		return errClientGone
	}
	return fmt.Errorf("%w: %w", errClientGone, err)
}
