package dsql

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// TLS is how it may begin.
type TLS int

const (
	EitherTLS   TLS = iota // at once, or behind an SSLRequest
	DirectTLS              // at once only: an SSLRequest is answered by the end
	RequestTLS             // behind an SSLRequest only, as with PostgreSQL 16
	NoALPN                 // either, but without ALPN
	SilentTLS              // behind an SSLRequest only: a hello that comes at once gets no answer
	RefusingTLS            // at once only: an SSLRequest is answered by N
)

// Parameters is what becomes of start-up parameters beyond those that every client sends.
type Parameters int

const (
	Accept Parameters = iota // PostgreSQL gets them
	Refuse                   // the login fails
	Ignore                   // they are left out
)

// End is how a session ends whose time is over.
type End int

const (
	Closing End = iota // in good order, without a word
	Cutting            // without the end of TLS
	Saying             // with a FATAL error first
)

// Config says which cluster it is. Host, Region and Keys are required.
type Config struct {
	Host   string                  // the cluster's endpoint, for which tokens are signed
	Also   []string                // further names that the certificate has
	Region string                  // in which they are
	Keys   map[string]pgserver.Key // by access key id
	Roles  map[string]string       // the IAM role of each access key, by its ARN
	CA     *pgserver.CA            // stands in for the Amazon Trust roots; nil: a new one
	Now    func() time.Time        // tokens are checked by; nil means time.Now
	BinDir string                  // of PostgreSQL; empty: the newest that is found
}

// Login is one login that came as far as its token.
type Login struct {
	User, Reason string // why it was refused; "" for one that was not
	Direct       bool   // TLS began at once
}

// Server is a running stand-in. Its methods are safe for concurrent use.
type Server struct {
	cfg    Config
	ca     *pgserver.CA
	tokens pgserver.DSQLTokens
	db     *pgserver.Server
	listen net.Listener
	cert   tls.Certificate
	all    sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	tls      TLS
	params   Parameters
	end      End
	life     time.Duration // 0: for ever
	full     int           // logins still to be refused for that; below zero: all
	tooFast  int
	limit    int                 // of sessions; 0: none
	grants   map[string][]string // ARNs of IAM roles, by database role
	sessions map[*session]bool
	conns    map[net.Conn]bool
	logins   []Login
	hellos   map[string]int
}

// admin is the role that every cluster has.
const admin = "admin"

// Start makes a cluster of its own and listens on a free port of 127.0.0.1. ctx bounds the
// start only. The caller must Close it.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	s := &Server{cfg: cfg, ca: cfg.CA, tokens: pgserver.DSQLTokens{Host: cfg.Host, Region: cfg.Region, Keys: maps.Clone(cfg.Keys), Now: cfg.Now},
		grants: map[string][]string{}, sessions: map[*session]bool{}, conns: map[net.Conn]bool{}, hellos: map[string]int{}}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("starting the stand-in for DSQL: %w", err), s.Close())
	}
	return s, nil
}

func (s *Server) start(ctx context.Context) (err error) {
	if s.ca == nil {
		if s.ca, err = pgserver.NewCA("stand-in for Amazon Root CA 1"); err != nil {
			return err
		}
	}
	chain, key, err := s.ca.Issue(s.cfg.Host, s.cfg.Also...)
	if err != nil {
		return err
	}
	if s.cert, err = tls.X509KeyPair(chain, key); err != nil {
		return err
	}
	// Its socket is in a directory of the server's own.
	if s.db, err = pgserver.Start(ctx, pgserver.Config{Host: s.cfg.Host, Region: s.cfg.Region, CA: s.ca, BinDir: s.cfg.BinDir, ExtraHBA: "local all all trust"}); err != nil {
		return err
	}
	if err := s.createAdmin(ctx); err != nil {
		return err
	}
	if s.listen, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return err
	}
	s.all.Go(s.accept)
	return nil
}

// createAdmin makes admin, who owns the one database.
func (s *Server) createAdmin(ctx context.Context) error {
	conn, err := s.db.AdminConn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, sql := range []string{"CREATE ROLE " + admin + " LOGIN CREATEROLE", "ALTER DATABASE " + database + " OWNER TO " + admin} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("preparing roles: %w", err)
		}
	}
	return nil
}

// Address is where it listens, "127.0.0.1:port".
func (s *Server) Address() string { return s.listen.Addr().String() }

// CA signed its certificate.
func (s *Server) CA() *pgserver.CA { return s.ca }

// CAFile is a PEM file with the root of CA.
func (s *Server) CAFile() string { return s.db.CAFile() }

// Database is the PostgreSQL behind it.
func (s *Server) Database() *pgserver.Server { return s.db }

// SetTLS says how TLS may begin from now on.
func (s *Server) SetTLS(how TLS) { s.set(func() { s.tls = how }) }

// SetParameters says what becomes of start-up parameters.
func (s *Server) SetParameters(p Parameters) { s.set(func() { s.params = p }) }

// SetLife says how long sessions that begin from now on live, and how they end. One with
// an open transaction ends after that.
func (s *Server) SetLife(life time.Duration, end End) {
	s.set(func() { s.life, s.end = life, end })
}

// SetLimit bounds the sessions at one time; 0 for no bound.
func (s *Server) SetLimit(n int) { s.set(func() { s.limit = n }) }

// RefuseFull refuses the next n logins for having too many connections; n below zero
// means all, zero ends it.
func (s *Server) RefuseFull(n int) { s.set(func() { s.full = n }) }

// RefuseRate is RefuseFull for connections that come too fast.
func (s *Server) RefuseRate(n int) { s.set(func() { s.tooFast = n }) }

// Grant is AWS IAM GRANT.
func (s *Server) Grant(role, arn string) {
	s.set(func() { s.grants[role] = append(s.grants[role], arn) })
}

func (s *Server) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// Logins are those that came as far as their token, the oldest first.
func (s *Server) Logins() []Login {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.logins)
}

// Hellos counts how connections began: "direct", "request", or "plain".
func (s *Server) Hellos() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.hellos)
}

func (s *Server) began(how string) { s.set(func() { s.hellos[how]++ }) }

// EndSessions ends all sessions as if their time were over, and returns how many had not
// ended so before.
func (s *Server) EndSessions() (n int) {
	s.mu.Lock()
	open := slices.Collect(maps.Keys(s.sessions))
	s.mu.Unlock()
	for _, one := range open {
		if one.expire() {
			n++
		}
	}
	return n
}

func (s *Server) accept() {
	for {
		c, err := s.listen.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			c.Close()
			return
		}
		s.conns[c] = true
		s.all.Go(func() {
			defer s.set(func() { delete(s.conns, c) })
			defer c.Close()
			s.serve(c)
		})
		s.mu.Unlock()
	}
}

// Close ends every connection and PostgreSQL, and waits for all that runs.
func (s *Server) Close() error {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	if !first {
		return nil
	}
	var errs []error
	if s.listen != nil {
		errs = append(errs, s.listen.Close())
	}
	s.all.Wait()
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	return errors.Join(errs...)
}
