package rdsproxy

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"maps"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// Config says what proxy to imitate. All fields but Secrets, Role and CA are required.
type Config struct {
	Host   string                  // the proxy's endpoint, for which clients' tokens must be signed
	Region string                  // of proxy and database
	Keys   map[string]pgserver.Key // by which clients' tokens are verified

	Database     *pgserver.Server // what it connects to
	DatabaseHost string           // the endpoint of that

	// Secrets are passwords by user, as in Secrets Manager. A user without one is logged in
	// by Role, end to end by IAM.
	Secrets map[string]string
	// Role is the id of the key, among the database's, with which the proxy signs tokens of
	// its own; RoleKey is that key. Empty: users without a secret are refused.
	Role    string
	RoleKey pgserver.Key

	CA *pgserver.CA // signs its certificate; nil means a new one, which nobody trusts
}

// port is that of every RDS Proxy for PostgreSQL.
const port = 5432

// handshakeTime bounds a login, which takes no time unless the machine is busy.
const handshakeTime = 90 * time.Second

// Server is a running stand-in. Its methods are safe for concurrent use.
type Server struct {
	cfg      Config
	verifier *pgserver.Verifier
	listener net.Listener
	tls      *tls.Config
	database *x509.CertPool
	caFile   string
	serving  sync.WaitGroup

	mu     sync.Mutex
	open   map[net.Conn]bool
	closed bool
	stats  Stats
}

// Stats is what a Server has seen.
type Stats struct {
	Logins  []Login
	Cancels int // CancelRequests
	Pinned  int // sessions that have set a parameter
}

// Login is a StartupMessage, and what became of it.
type Login struct {
	User       string
	Parameters map[string]string // beside user and database
	Refused    string            // in the words that the client got; empty: let in
}

// Start starts a proxy on a free port of 127.0.0.1. The caller must Close it.
func Start(cfg Config) (*Server, error) {
	if cfg.Host == "" || cfg.Region == "" || cfg.Database == nil || cfg.DatabaseHost == "" {
		return nil, errors.New("rdsproxy: Config.Host, Region, Database and DatabaseHost are required")
	}
	s := &Server{cfg: cfg, open: map[net.Conn]bool{}, database: x509.NewCertPool()}
	s.verifier = pgserver.NewVerifier(net.JoinHostPort(cfg.Host, strconv.Itoa(port)), cfg.Region, cfg.Keys)
	s.database.AppendCertsFromPEM(cfg.Database.CA().PEM())
	if err := s.certify(); err != nil {
		return nil, err
	}
	var err error
	if s.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, errors.Join(err, os.Remove(s.caFile))
	}
	s.serving.Go(s.accept)
	return s, nil
}

// certify makes the certificate, and the file with what it is verified by.
func (s *Server) certify() (err error) {
	ca := s.cfg.CA
	if ca == nil {
		if ca, err = pgserver.NewCA("stand-in for Amazon Root CA 1"); err != nil {
			return err
		}
	}
	chain, key, err := ca.Issue(s.cfg.Host)
	if err != nil {
		return err
	}
	certificate, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return err
	}
	s.tls = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	file, err := os.CreateTemp("", "pgkeyless-rdsproxy-*.pem")
	if err != nil {
		return err
	}
	s.caFile = file.Name()
	_, err = file.Write(ca.PEM())
	return errors.Join(err, file.Close())
}

// Address is where it listens, "127.0.0.1:port".
func (s *Server) Address() string { return s.listener.Addr().String() }

// CAFile is a PEM file with the root by which the certificate is verified. Close removes it.
func (s *Server) CAFile() string { return s.caFile }

// Stats returns what has been seen so far. A login is there before its client hears of it.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.stats
	now.Logins = append([]Login(nil), now.Logins...)
	for i := range now.Logins {
		now.Logins[i].Parameters = maps.Clone(now.Logins[i].Parameters)
	}
	return now
}

// Close ends all sessions, and returns when they have ended.
func (s *Server) Close() error {
	err := s.listener.Close()
	s.mu.Lock()
	s.closed = true
	for c := range s.open {
		c.Close()
	}
	s.mu.Unlock()
	s.serving.Wait()
	return errors.Join(err, os.Remove(s.caFile))
}

func (s *Server) accept() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.serving.Go(func() {
			if s.enter(c) {
				s.serve(c)
			}
			s.leave(c)
		})
	}
}

// enter notes a conn that Close is to end.
func (s *Server) enter(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[c] = true
	return !s.closed
}

func (s *Server) leave(c net.Conn) {
	c.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
}

func (s *Server) count(change func(*Stats)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.stats)
}
