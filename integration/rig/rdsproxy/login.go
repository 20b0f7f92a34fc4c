package rdsproxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// accepted are the run-time parameters that a StartupMessage may have.
var accepted = []string{"application_name", "client_encoding", "DateStyle", "TimeZone", "extra_float_digits"}

// refusal is what a client is told that is not let in.
type refusal struct{ state, text string }

func (r *refusal) Error() string { return r.text }

// The states are not in AWS's documentation.
const (
	unsupported = "0A000"
	notLoggedIn = "28000"
)

func notSupported(format string, args ...any) error {
	return &refusal{unsupported, "Feature not supported: " + fmt.Sprintf(format, args...)}
}

// Answers to an early or empty password, and to a client without TLS.
var (
	errPassword = &refusal{notLoggedIn, "RDS Proxy supports only IAM, MD5, or SCRAM authentication."}
	errPlain    = &refusal{notLoggedIn, "This RDS Proxy requires TLS connections."}
)

// serve answers one client.
func (s *Server) serve(raw net.Conn) {
	raw.SetDeadline(time.Now().Add(handshakeTime))
	c, code, body, err := s.greet(raw)
	switch {
	case err != nil:
		return
	case code == codeCancel:
		s.count(func(s *Stats) { s.Cancels++ })
		return
	}
	login := Login{Parameters: map[string]string{}}
	behind, err := s.logIn(c, code, body, &login)
	var refused *refusal
	if errors.As(err, &refused) {
		login.Refused = refused.text
	}
	if err == nil || refused != nil {
		s.count(func(s *Stats) { s.Logins = append(s.Logins, login) })
	}
	if refused != nil {
		c.Write(fatal(refused.state, refused.text))
		if inside, ok := c.(*tls.Conn); ok {
			inside.CloseWrite()
		}
		raw.(*net.TCPConn).CloseWrite()
		io.Copy(io.Discard, raw) // a conn closed with bytes unread resets, and the client may read nothing
	}
	if err != nil {
		return
	}
	defer behind.Conn.Close()
	if _, err := c.Write(greeting(behind)); err != nil {
		return
	}
	raw.SetDeadline(time.Time{})
	s.relay(c, behind.Conn)
}

// greet reads up to the packet that says what the client wants.
func (s *Server) greet(raw net.Conn) (c net.Conn, code uint32, body []byte, err error) {
	c = raw
	for {
		code, body, err := readPacket(c)
		_, inside := c.(*tls.Conn)
		switch {
		case err != nil:
			return c, 0, nil, err
		case code == codeSSL && !inside:
			if _, err := c.Write([]byte{'S'}); err != nil {
				return c, 0, nil, err
			}
			secure := tls.Server(c, s.tls)
			if err := secure.Handshake(); err != nil {
				return c, 0, nil, err
			}
			c = secure
		case code == codeGSS && !inside:
			if _, err := c.Write([]byte{'N'}); err != nil {
				return c, 0, nil, err
			}
		default:
			return c, code, body, nil
		}
	}
}

// logIn goes on until the database has let the client's user in.
func (s *Server) logIn(c net.Conn, code uint32, body []byte, login *Login) (*pgconn.HijackedConn, error) {
	database, err := s.startup(c, code, body, login)
	if err != nil {
		return nil, err
	}
	inside, ok := c.(*tls.Conn)
	if !ok {
		return nil, errPlain
	}
	if unasked(inside) {
		return nil, errPassword
	}
	if _, err := c.Write(authentication(3)); err != nil { // clear text
		return nil, err
	}
	password, err := readPassword(c)
	if err != nil {
		return nil, err
	}
	if password == "" {
		return nil, errPassword
	}
	if _, err := s.verifier.Verify(login.User, password); err != nil {
		return nil, &refusal{notLoggedIn, "The IAM authentication failed for the role " + login.User + ". Check the IAM token for this role and try again."}
	}
	return s.borrow(login, database)
}

// startup checks a StartupMessage.
func (s *Server) startup(c net.Conn, code uint32, body []byte, login *Login) (database string, err error) {
	all, err := readParameters(body)
	if err != nil {
		return "", err
	}
	if code != version {
		return "", notSupported("RDS Proxy supports only version 3.0 of the PostgreSQL messaging protocol.")
	}
	for _, p := range all {
		switch {
		case p.name == "user":
			login.User = p.value
		case p.name == "database":
			database = p.value
		case p.name == "replication" && !slices.Contains([]string{"false", "off", "no", "0"}, p.value):
			return "", notSupported("RDS Proxy currently doesn’t support streaming replication mode.")
		case p.name == "replication":
		case p.name == "options":
			return "", notSupported("RDS Proxy currently doesn’t support command-line options.")
		case !slices.ContainsFunc(accepted, func(name string) bool { return strings.EqualFold(name, p.name) }):
			return "", notSupported("RDS Proxy currently doesn’t support the option %s.", p.name)
		default:
			login.Parameters[p.name] = p.value
		}
	}
	if login.User == "" {
		return "", &refusal{notLoggedIn, "A user name is missing from the connection startup packet. Provide a user name for this connection."}
	}
	if database == "" {
		database = login.User
	}
	return database, nil
}

// unasked reports whether bytes have come behind the StartupMessage, in the same record
// of TLS at least. A read that may not wait returns what has been decrypted.
func unasked(c *tls.Conn) bool {
	c.SetReadDeadline(time.Unix(1, 0))
	n, _ := c.Read(make([]byte, 1))
	c.SetReadDeadline(time.Now().Add(handshakeTime))
	return n > 0
}

// borrow logs in to the database as the client's user.
func (s *Server) borrow(login *Login, database string) (*pgconn.HijackedConn, error) {
	password, ok := s.cfg.Secrets[login.User]
	switch {
	case ok:
	case s.cfg.Role != "":
		password = pgserver.SignToken(net.JoinHostPort(s.cfg.DatabaseHost, strconv.Itoa(port)), s.cfg.Region, login.User, s.cfg.Role, s.cfg.RoleKey, time.Now())
	default:
		return nil, &refusal{notLoggedIn, "This RDS proxy has no credentials for the role " + login.User + ". Check the credentials for this role and try again."}
	}
	host, portText, err := net.SplitHostPort(s.cfg.Database.Address())
	if err != nil {
		return nil, err
	}
	cfg, err := pgconn.ParseConfig("host=" + host + " port=" + portText + " sslmode=require")
	if err != nil {
		return nil, err
	}
	cfg.User, cfg.Database, cfg.Password, cfg.Fallbacks = login.User, database, password, nil
	cfg.RuntimeParams = maps.Clone(login.Parameters)
	cfg.TLSConfig = &tls.Config{RootCAs: s.database, ServerName: s.cfg.DatabaseHost}
	ctx, cancel := context.WithTimeout(context.Background(), handshakeTime)
	defer cancel()
	conn, err := pgconn.ConnectConfig(ctx, cfg)
	if err != nil {
		var said *pgconn.PgError
		if errors.As(err, &said) {
			return nil, &refusal{said.Code, "Request returned an error: " + said.Message}
		}
		return nil, &refusal{notLoggedIn, "Timed-out waiting to acquire database connection."}
	}
	if err := conn.SyncConn(ctx); err != nil { // a write that was slow may have left a reader behind
		return nil, err
	}
	return conn.Hijack()
}

// greeting is what a client is told that is let in: no BackendKeyData.
func greeting(behind *pgconn.HijackedConn) []byte {
	out := authentication(0)
	for _, name := range slices.Sorted(maps.Keys(behind.ParameterStatuses)) {
		out = append(out, status(name, behind.ParameterStatuses[name])...)
	}
	return append(out, message('Z', 'I')...)
}
