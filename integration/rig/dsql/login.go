package dsql

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
	"strings"
	"time"
)

const (
	// database is the only one that a cluster has.
	database = "postgres"
	// alpn names the protocol in a handshake that begins at once.
	alpn = "postgresql"
	// loginLimit bounds everything before the relay.
	loginLimit = time.Minute
	// farewell bounds how long a client that was refused may take to read why.
	farewell = time.Second

	handshakeByte = 0x16 // that TLS begins with
)

// peeked is a conn whose first byte has been looked at.
type peeked struct {
	net.Conn
	r *bufio.Reader
}

func (p peeked) Read(b []byte) (int, error) { return p.r.Read(b) }

// serve takes one connection from its first byte to its last.
func (s *Server) serve(raw net.Conn) {
	raw.SetDeadline(time.Now().Add(loginLimit))
	r := bufio.NewReader(raw)
	first, err := r.Peek(1)
	if err != nil {
		return
	}
	s.mu.Lock()
	how := s.tls
	s.mu.Unlock()
	c := peeked{raw, r}
	if first[0] == handshakeByte {
		s.began("direct")
		switch how {
		case RequestTLS: // takes it for the length of a packet, which is too long
		case SilentTLS:
			io.Copy(io.Discard, c)
		default:
			s.secured(c, how, true)
		}
		return
	}
	s.request(c, how)
}

// request serves a connection that begins with a packet.
func (s *Server) request(c net.Conn, how TLS) {
	for {
		p, err := readStartup(c)
		if err != nil {
			return
		}
		switch {
		case p.code == codeGSS:
			if _, err := c.Write([]byte("N")); err != nil {
				return
			}
		case p.code == codeCancel:
			s.cancel(p.packet)
			return
		case p.code == codeSSL && how == DirectTLS:
			s.began("request")
			return
		case p.code == codeSSL && how == RefusingTLS:
			s.began("request")
			c.Write([]byte("N"))
			return
		case p.code == codeSSL:
			s.began("request")
			if _, err := c.Write([]byte("S")); err == nil {
				s.secured(c, how, false)
			}
			return
		default:
			s.began("plain")
			refuse(c, complaint("FATAL", "28000", "unable to accept connection, TLS is required", ""))
			return
		}
	}
}

// secured shakes hands and logs in.
func (s *Server) secured(c net.Conn, how TLS, direct bool) {
	cfg := &tls.Config{Certificates: []tls.Certificate{s.cert}, MinVersion: tls.VersionTLS12}
	if how != NoALPN {
		cfg.NextProtos = []string{alpn}
	}
	secure := tls.Server(c, cfg)
	if err := secure.Handshake(); err != nil {
		return
	}
	state := secure.ConnectionState()
	if direct && how != NoALPN && state.NegotiatedProtocol != alpn {
		return // as PostgreSQL 17 does
	}
	p, err := readStartup(secure)
	switch {
	case err != nil:
	case p.code == codeCancel:
		s.cancel(p.packet)
	case p.code>>16 != 3:
		refuse(secure, complaint("FATAL", "0A000", "unsupported frontend protocol", ""))
	case state.ServerName == "":
		refuse(secure, complaint("FATAL", "08006", "unable to accept connection, sni was not received", ""))
	default:
		s.login(secure, p, direct)
	}
}

// refuse sends last words, and gives the client the time to read them.
func refuse(c net.Conn, words []byte) {
	c.Write(words)
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
	c.SetReadDeadline(time.Now().Add(farewell))
	io.Copy(io.Discard, c)
}

// take is a countdown: below zero it never ends. s.mu is held.
func take(n *int) bool {
	if *n > 0 {
		*n--
		return true
	}
	return *n < 0
}

// noRoom is the error of a cluster that takes no connection now, or nil.
func (s *Server) noRoom() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case take(&s.full), s.limit > 0 && len(s.sessions) >= s.limit:
		return complaint("FATAL", "53300", "Unable to accept connection, too many open connections.", "")
	case take(&s.tooFast):
		return complaint("FATAL", "53400", "Unable to accept connection, rate exceeded.", "")
	}
	return nil
}

// login checks limits, token and parameters, and hands over to a session.
func (s *Server) login(c *tls.Conn, p startup, direct bool) {
	if no := s.noRoom(); no != nil {
		refuse(c, no)
		return
	}
	user := p.value("user")
	if _, err := c.Write(message('R', 0, 0, 0, 3)); err != nil {
		return
	}
	answer, err := readMessage(io.LimitReader(c, 64<<10))
	if err != nil || answer[0] != 'p' {
		return
	}
	token, _, _ := bytes.Cut(answer[5:], []byte{0})
	err = s.verify(user, string(token))
	l := Login{User: user, Direct: direct}
	if err != nil {
		l.Reason = err.Error()
	}
	s.set(func() { s.logins = append(s.logins, l) })
	if err != nil {
		refuse(c, complaint("FATAL", "08006", "unable to accept connection, access denied", ""))
		return
	}
	if name := p.value("database"); name != database {
		if name == "" {
			name = user
		}
		refuse(c, complaint("FATAL", "3D000", fmt.Sprintf("database %q does not exist", name), ""))
		return
	}
	kept, unknown := sorted(p.params)
	s.mu.Lock()
	params := s.params
	s.mu.Unlock()
	switch {
	case params == Refuse && len(unknown) > 0:
		refuse(c, complaint("FATAL", "0A000", fmt.Sprintf("setting configuration parameter %q not supported", unknown[0]), ""))
		return
	case params == Accept:
		kept = p.params
	}
	s.run(c, user, p.encode(kept))
}

// verify checks the token, and that the user is linked to its IAM role.
func (s *Server) verify(user, token string) error {
	key, err := s.tokens.Verify(user, token)
	if err != nil || user == admin {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if role := s.cfg.Roles[key]; role == "" || !slices.Contains(s.grants[user], role) {
		return errors.New("no AWS IAM GRANT")
	}
	return nil
}

// usual are the parameters that every client sends, in lower case.
var usual = []string{"user", "database", "application_name", "client_encoding", "datestyle", "timezone", "extra_float_digits"}

// setting is one in options.
var setting = regexp.MustCompile(`(?:-c\s*|--)([\w.]+)=`)

// sorted parts parameters into the usual ones and the names of others.
func sorted(params [][2]string) (kept [][2]string, unknown []string) {
	for _, p := range params {
		switch {
		case slices.Contains(usual, strings.ToLower(p[0])), strings.HasPrefix(p[0], "_pq_."):
			kept = append(kept, p)
		case p[0] == "options":
			for _, m := range setting.FindAllStringSubmatch(p[1], -1) {
				unknown = append(unknown, m[1])
			}
		default:
			unknown = append(unknown, p[0])
		}
	}
	return kept, unknown
}

// cancel passes a CancelRequest on.
func (s *Server) cancel(packet []byte) {
	c, err := net.Dial("unix", s.db.Socket())
	if err != nil {
		return
	}
	defer c.Close()
	c.Write(packet)
	io.Copy(io.Discard, c)
}
