package proxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/pgkeyless/pgkeyless/internal/secret"
)

// maxProof bounds a message in which a client proves who it is: a token of
// Kubernetes is the longest, and has some kilobytes.
const maxProof = 16 << 10

// Proof finds out whether clients are who they say. It is safe for concurrent use.
type Proof interface {
	// Prove returns who the client is, for logs and audits, also of one that has proved it
	// and is refused. Its error is what the client gets. ctx bounds it.
	Prove(ctx context.Context, c *Claim) (identity string, err error)
}

// Claim is a client that says who it is, and can be asked to prove it. Its methods
// exchange messages with it. They are for Prove only, on one goroutine.
type Claim struct {
	// User and Database are those of the StartupMessage, without what names a Route.
	User, Database string
	// Route is where the client wants to go.
	Route string
	// TLS is nil for a client that uses none. Its PeerCertificates are what the client
	// has shown.
	TLS *tls.ConnectionState
	// Shown is the certificate that the client was shown; nil without TLS.
	Shown *x509.Certificate

	conn net.Conn
}

// errUnwantedMessage is a client that does not answer what it was asked.
var errUnwantedMessage = errors.New("the client does not answer a request for a password")

// ask sends an authentication request and returns the body of the PasswordMessage, or
// SASL message, that answers it.
//
// Source: PostgreSQL 18 docs, protocol-message-formats.html.
func (c *Claim) ask(request uint32, more []byte) ([]byte, error) {
	if err := c.tell(request, more); err != nil {
		return nil, err
	}
	var head [headLen]byte
	if _, err := io.ReadFull(c.conn, head[:]); err != nil {
		return nil, clientGone(err)
	}
	length := binary.BigEndian.Uint32(head[1:])
	if head[0] != 'p' || length < 4 || length-4 > maxProof {
		return nil, protocolViolation(errUnwantedMessage.Error())
	}
	body := make([]byte, length-4)
	if _, err := io.ReadFull(c.conn, body); err != nil {
		return nil, clientGone(err)
	}
	return body, nil
}

// tell sends an authentication request that needs no answer.
func (c *Claim) tell(request uint32, more []byte) error {
	packet := append([]byte{'R'}, binary.BigEndian.AppendUint32(nil, uint32(8+len(more)))...)
	packet = append(binary.BigEndian.AppendUint32(packet, request), more...)
	if _, err := c.conn.Write(packet); err != nil {
		return clientGone(err)
	}
	return nil
}

// Authentication requests.
const (
	authSASL         = 10
	authSASLContinue = 11
	authSASLFinal    = 12
)

// SASL offers mechanisms and returns the one that the client has chosen, with its
// first response.
func (c *Claim) SASL(mechanisms ...string) (chosen string, response []byte, err error) {
	body, err := c.ask(authSASL, append([]byte(strings.Join(mechanisms, "\x00")), 0, 0))
	if err != nil {
		return "", nil, err
	}
	return initialResponse(body, mechanisms)
}

// initialResponse reads the body of a SASLInitialResponse to an offer of mechanisms.
func initialResponse(body []byte, offered []string) (chosen string, response []byte, err error) {
	name, rest, ok := bytes.Cut(body, []byte{0})
	if !ok || len(rest) < 4 {
		return "", nil, protocolViolation("invalid SASLInitialResponse")
	}
	length := binary.BigEndian.Uint32(rest)
	response = rest[4:]
	if length != ^uint32(0) && length != uint32(len(response)) {
		return "", nil, protocolViolation("invalid SASLInitialResponse")
	}
	for _, m := range offered {
		if m == string(name) {
			return m, response, nil
		}
	}
	return "", nil, protocolViolation("the client chose a SASL mechanism that was not offered")
}

// Challenge sends a SASL challenge and returns the client's response.
func (c *Claim) Challenge(data []byte) ([]byte, error) { return c.ask(authSASLContinue, data) }

// Conclude sends the last message of a SASL exchange, which shows the client that the
// other side knows the secret too.
func (c *Claim) Conclude(data []byte) error { return c.tell(authSASLFinal, data) }

// Password asks for a password in clear text, which only a client inside TLS must be
// asked for.
func (c *Claim) Password() (secret.Text, error) {
	if c.TLS == nil {
		return secret.Text{}, errors.New("a password in clear text would go over a connection without TLS")
	}
	body, err := c.ask(authClearText, nil)
	if err != nil {
		return secret.Text{}, err
	}
	words, rest, ok := bytes.Cut(body, []byte{0})
	if !ok || len(rest) > 0 {
		return secret.Text{}, protocolViolation("invalid PasswordMessage")
	}
	defer clear(body)
	return secret.New(string(words)), nil
}

// unproven is a client that could not prove who it is.
type unproven struct{ error }

func (u *unproven) Unwrap() error { return u.error }

// prove has the client prove who it is, where that is wanted. Over a Unix socket it is
// not: the socket's mode says who may open it.
func (s *session) prove(ctx context.Context, m startupMessage) error {
	if s.server.proof == nil || s.client.LocalAddr().Network() == "unix" {
		return nil
	}
	c := &Claim{User: m.value("user"), Database: m.value("database"), Route: s.route.Name, conn: s.client}
	if secure, ok := s.client.(*tls.Conn); ok {
		state := secure.ConnectionState()
		c.TLS, c.Shown = &state, s.shown
	}
	identity, err := s.server.proof.Prove(ctx, c)
	if errors.Is(err, errClientGone) || ctx.Err() != nil {
		return err
	}
	s.server.tally.edit(s.entry, func(e *SessionSnapshot) { e.Identity, e.Proven = identity, err == nil || identity != "" })
	if s.identity = identity; identity != "" {
		s.log = s.log.With("identity", identity)
	}
	if err != nil {
		return &unproven{err}
	}
	return nil
}
