package rdsproxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

const (
	testHost     = "pooled.proxy-c9akciq32abc.eu-central-1.rds.amazonaws.com"
	testDatabase = "orders.c9akciq32abc.eu-central-1.rds.amazonaws.com"
	testRegion   = "eu-central-1"
)

var (
	person = pgserver.Key{Secret: "a person's", SessionToken: "for an hour"}
	role   = pgserver.Key{Secret: "the role's"}
)

// startProxy starts a database that takes the role's tokens, and a proxy that takes a
// person's.
func startProxy(t *testing.T) *Server {
	t.Helper()
	db, err := pgserver.Start(t.Context(), pgserver.Config{Host: testDatabase, Region: testRegion, Keys: map[string]pgserver.Key{"AKIAROLE": role}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	s, err := Start(Config{
		Host: testHost, Region: testRegion, Keys: map[string]pgserver.Key{"ASIAPERSON": person}, Database: db, DatabaseHost: testDatabase,
		Secrets: map[string]string{pgserver.PlainUser: pgserver.PlainPassword}, Role: "AKIAROLE", RoleKey: role,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(s.CAFile()); err == nil {
			t.Error("the CA file is left")
		}
	})
	return s
}

// tokenFor is a person's token for a login at host.
func tokenFor(host, user string) string {
	return pgserver.SignToken(host+":5432", testRegion, user, "ASIAPERSON", person, time.Now())
}

// conn is a client by hand.
type conn struct {
	net.Conn
	t *testing.T
}

func dial(t *testing.T, s *Server) conn {
	t.Helper()
	c, err := net.Dial("tcp", s.Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(time.Minute))
	return conn{c, t}
}

// inside asks for TLS, and trusts the proxy's own authority alone.
func (c conn) inside(s *Server) conn {
	c.t.Helper()
	c.Write(binary.BigEndian.AppendUint32([]byte{0, 0, 0, 8}, codeSSL))
	answer := make([]byte, 1)
	if _, err := io.ReadFull(c, answer); err != nil || answer[0] != 'S' {
		c.t.Fatalf("SSLRequest: %q, %v", answer, err)
	}
	pem, err := os.ReadFile(s.CAFile())
	if err != nil {
		c.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	secure := tls.Client(c.Conn, &tls.Config{RootCAs: roots, ServerName: testHost})
	if err := secure.Handshake(); err != nil {
		c.t.Fatal(err)
	}
	return conn{secure, c.t}
}

func startup(version uint32, params ...string) []byte {
	body := binary.BigEndian.AppendUint32(nil, version)
	for _, p := range append([]string{"user", pgserver.AppUser, "database", pgserver.Database}, params...) {
		body = append(append(body, p...), 0)
	}
	body = append(body, 0)
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body)+4)), body...)
}

func password(words string) []byte { return message('p', append([]byte(words), 0)...) }

// refused wants all that is answered to be one refusal.
func (c conn) refused(state, text string) {
	c.t.Helper()
	got, err := io.ReadAll(c)
	if want := fatal(state, text); err != nil || !bytes.Equal(got, want) {
		c.t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

func TestRefusalsAreInItsWords(t *testing.T) {
	s := startProxy(t)
	asked := authentication(3)
	for _, test := range []struct {
		name        string
		plain       bool
		send        []byte
		then        []byte // once the token has been asked for
		state, text string
	}{
		{"no TLS", true, startup(version), nil, "28000", "This RDS Proxy requires TLS connections."},
		{"options", false, startup(version, "options", "-c a=b"), nil, "0A000", "Feature not supported: RDS Proxy currently doesn’t support command-line options."},
		{"a parameter", false, startup(version, "search_path", "shop"), nil, "0A000", "Feature not supported: RDS Proxy currently doesn’t support the option search_path."},
		{"3.2", false, startup(version + 2), nil, "0A000", "Feature not supported: RDS Proxy supports only version 3.0 of the PostgreSQL messaging protocol."},
		{"replication", false, startup(version, "replication", "database"), nil, "0A000", "Feature not supported: RDS Proxy currently doesn’t support streaming replication mode."},
		{"an early token", false, append(startup(version), password(tokenFor(testHost, pgserver.AppUser))...), nil, "28000", "RDS Proxy supports only IAM, MD5, or SCRAM authentication."},
		{"no password", false, startup(version), password(""), "28000", "RDS Proxy supports only IAM, MD5, or SCRAM authentication."},
		{"a token for the database", false, startup(version), password(tokenFor(testDatabase, pgserver.AppUser)), "28000",
			"The IAM authentication failed for the role app_user. Check the IAM token for this role and try again."},
		{"no such database", false, startup(version, "database", "nowhere"), password(tokenFor(testHost, pgserver.AppUser)), "3D000",
			`Request returned an error: database "nowhere" does not exist`},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := dial(t, s)
			if !test.plain {
				c = c.inside(s)
			}
			if _, err := c.Write(test.send); err != nil {
				t.Fatal(err)
			}
			if test.then != nil {
				got := make([]byte, len(asked))
				if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, asked) {
					t.Fatalf("asked with %q, %v", got, err)
				}
				c.Write(test.then)
			}
			c.refused(test.state, test.text)
		})
	}
}

func TestCancelRequestDoesNothing(t *testing.T) {
	s := startProxy(t)
	for i := range 2 {
		c := dial(t, s)
		if i == 1 {
			c = c.inside(s)
		}
		c.Write(binary.BigEndian.AppendUint32([]byte{0, 0, 0, 16}, codeCancel))
		c.Write(make([]byte, 8))
		if got, err := io.ReadAll(c); len(got) > 0 || err != nil {
			t.Errorf("answered with %q, %v", got, err)
		}
	}
	if n := s.Stats().Cancels; n != 2 {
		t.Errorf("%d cancel requests counted", n)
	}
}

// TestLoginsReachTheDatabase logs in both ways, with the parameters that are accepted.
func TestLoginsReachTheDatabase(t *testing.T) {
	s := startProxy(t)
	for _, user := range []string{pgserver.AppUser, pgserver.PlainUser} {
		host, port, err := net.SplitHostPort(s.Address())
		if err != nil {
			t.Fatal(err)
		}
		cfg, err := pgconn.ParseConfig("host=" + host + " port=" + port + " sslmode=verify-ca sslrootcert=" + s.CAFile())
		if err != nil {
			t.Fatal(err)
		}
		cfg.User, cfg.Database, cfg.Password = user, pgserver.Database, tokenFor(testHost, user)
		cfg.RuntimeParams = map[string]string{"DateStyle": "German", "application_name": "x"}
		c, err := pgconn.ConnectConfig(t.Context(), cfg)
		if err != nil {
			t.Fatalf("%s: %v", user, err)
		}
		if c.PID() != 0 || len(c.SecretKey()) != 0 || c.ParameterStatus("DateStyle") != "German, DMY" {
			t.Errorf("%s: process %d, DateStyle %q", user, c.PID(), c.ParameterStatus("DateStyle"))
		}
		before := s.Stats().Pinned
		for i, sql := range []string{"select current_user || current_setting('application_name')", "set work_mem to '4MB'", "select set_config('work_mem', '8MB', false)"} {
			results, err := c.Exec(t.Context(), sql).ReadAll()
			if err != nil {
				t.Fatal(err)
			}
			if i == 0 && string(results[0].Rows[0][0]) != user+"x" {
				t.Errorf("got %q", results[0].Rows)
			}
			if got, want := s.Stats().Pinned-before, min(i, 1); got != want {
				t.Errorf("%s: %d sessions pinned after %q, want %d", user, got, sql, want)
			}
		}
		c.Close(context.Background())
	}
	for _, login := range s.Stats().Logins {
		if login.Refused != "" || !strings.HasPrefix(login.Parameters["DateStyle"], "German") {
			t.Errorf("%+v", login)
		}
	}
}
