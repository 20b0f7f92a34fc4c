package pgserver

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// Names in every cluster.
const (
	Database      = "app"
	AppUser       = "app_user"       // member of rds_iam: logs in with a token
	PlainUser     = "plain_user"     // not a member: logs in with PlainPassword
	PlainPassword = "plain-Pa55word" // by SCRAM, over TLS
)

// Config says what database to imitate. Host and Region are required.
type Config struct {
	Host   string         // the endpoint's name, which tokens must be signed for
	Also   []string       // further endpoints' names, as a cluster has them; the certificate has them too
	Port   int            // the endpoint's port, not the real one; zero means 5432
	Region string         // the region tokens must be signed for
	Keys   map[string]Key // by access key id; no keys: every token is refused

	CA       *CA      // signs the certificate; nil means a new one
	CertHost string   // the name in the certificate; empty means Host
	CertAlso []string // further names in it

	BinDir    string           // where postgres and initdb are; empty means the newest found
	ExtraConf string           // lines for the end of postgresql.conf
	ExtraHBA  string           // lines of pg_hba.conf that go before those for TCP
	Now       func() time.Time // clock that tokens are checked by; nil means time.Now
}

// Key is the secret side of an access key. SessionToken is empty for a
// long-lived key.
type Key struct {
	Secret       string
	SessionToken string
}

// String keeps secrets out of logs and test failures.
func (Key) String() string { return "[redacted]" }

// GoString is String, for %#v.
func (Key) GoString() string { return "[redacted]" }

// Server is a running PostgreSQL. Its methods are safe for concurrent use.
type Server struct {
	dir          string // holds everything; removed by Close
	binDir       string
	port         int
	version      string
	ca           *CA
	bind         *bindServer
	verifier     *verifier
	endpointPort int // that tokens are signed for
	cluster      *cluster
	master       *postmaster

	closeOnce sync.Once
	closeErr  error
}

// Start makes a cluster, starts it and waits until it takes connections.
//
// ctx bounds the start only. The caller owns the Server and must Close it. A
// missing PostgreSQL is a *NotInstalledError.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	if cfg.Host == "" || cfg.Region == "" {
		return nil, errors.New("pgserver: Config.Host and Config.Region are required")
	}
	if cfg.Port == 0 {
		cfg.Port = 5432
	}
	if cfg.CertHost == "" {
		cfg.CertHost = cfg.Host
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Server{ca: cfg.CA}
	if err := s.start(ctx, cfg); err != nil {
		return nil, errors.Join(fmt.Errorf("starting PostgreSQL: %w", err), s.Close())
	}
	return s, nil
}

func (s *Server) start(ctx context.Context, cfg Config) error {
	binDir, err := findBinaries(ctx, cfg.BinDir)
	if err != nil {
		return err
	}
	if s.ca == nil {
		if s.ca, err = NewCA("pgkeyless test CA"); err != nil {
			return err
		}
	}
	v := &verifier{
		endpoint: net.JoinHostPort(cfg.Host, strconv.Itoa(cfg.Port)),
		also:     hostPorts(cfg.Also, cfg.Port),
		region:   cfg.Region,
		keys:     maps.Clone(cfg.Keys),
		now:      cfg.Now,
	}
	s.verifier, s.endpointPort = v, cfg.Port
	if s.bind, err = startBindServer(v); err != nil {
		return err
	}
	c, err := newCluster(ctx, binDir)
	if err != nil {
		return err
	}
	s.dir, s.binDir, s.cluster = c.dir, binDir.dir, c
	if err := c.configure(s.ca, slices.Concat([]string{cfg.CertHost}, cfg.CertAlso, cfg.Also), s.bind.port, cfg.ExtraConf, cfg.ExtraHBA); err != nil {
		return err
	}
	if s.master, s.port, err = c.run(ctx); err != nil {
		return err
	}
	return s.createRoles(ctx)
}

func hostPorts(hosts []string, port int) []string {
	all := make([]string, len(hosts))
	for i, h := range hosts {
		all[i] = net.JoinHostPort(h, strconv.Itoa(port))
	}
	return all
}

// Address is where the server listens, "127.0.0.1:port".
func (s *Server) Address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// Socket is the path of the server's Unix socket.
func (s *Server) Socket() string {
	return filepath.Join(s.dir, ".s.PGSQL."+strconv.Itoa(s.port))
}

// CA is what signed the server's certificate.
func (s *Server) CA() *CA { return s.ca }

// CAFile is a PEM file with the root of CA, for sslrootcert and the like.
func (s *Server) CAFile() string { return filepath.Join(s.dir, caFile) }

// ServerVersion is what the server says it is, as "15.18 (Debian 15.18-0+deb12u1)".
func (s *Server) ServerVersion() string { return s.version }

// BinDir is where the server's programs are, psql and pgbench among them on most
// systems.
func (s *Server) BinDir() string { return s.binDir }

// Logins tells every login by token so far, oldest first. A login is noted
// before its client hears of it. Users outside rds_iam don't appear.
func (s *Server) Logins() []Login { return s.bind.logins() }

// SignFor makes the server accept tokens for host and region only, from the next login on,
// as after a switchover. The certificate stays.
func (s *Server) SignFor(host, region string) {
	s.verifier.signFor(net.JoinHostPort(host, strconv.Itoa(s.endpointPort)), region)
}

// AdminURL is for the superuser in database app, through the Unix socket.
func (s *Server) AdminURL() string { return adminURL(s.dir, s.port, Database) }

// AdminConn opens a connection to AdminURL. The caller closes it.
func (s *Server) AdminConn(ctx context.Context) (*pgx.Conn, error) {
	return pgx.Connect(ctx, s.AdminURL())
}

// Restart ends every connection and starts the server again, at the same address. It must
// not be called along with Close.
func (s *Server) Restart(ctx context.Context) error {
	if err := s.master.stop(); err != nil {
		return err
	}
	p, err := s.cluster.startOn(s.port)
	if err != nil {
		return err
	}
	s.master = p
	return awaitReady(ctx, p, s.AdminURL())
}

// Close ends every connection, stops the server and removes its directory.
// Nothing of the server's runs afterwards. Later calls return the same.
func (s *Server) Close() error {
	s.closeOnce.Do(func() {
		var errs []error
		if s.master != nil {
			errs = append(errs, s.master.stop())
			s.cluster.release()
		}
		if s.bind != nil {
			errs = append(errs, s.bind.close())
		}
		if s.dir != "" {
			errs = append(errs, os.RemoveAll(s.dir))
		}
		s.closeErr = errors.Join(errs...)
	})
	return s.closeErr
}
