package pgserver

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/feature/rds/auth"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	testHost   = "orders.c9akciq32.eu-central-1.rds.amazonaws.com"
	testRegion = "eu-central-1"
	testKeyID  = "AKIAPGSERVERTEST"
	testSecret = "pgserver-secret"
	roleKeyID  = "ASIAPGSERVERTEST" // temporary: comes with a session token
	roleSecret = "pgserver-role-secret"
)

// testSessionToken is as long as they come, so that the login's password fills
// several network packets.
var testSessionToken = strings.Repeat("session/token+of=a role ", 500)

// testClock is the clock of the shared server. Tests that move it must not run
// in parallel with others.
var testClock struct{ ahead atomic.Int64 }

var shared struct {
	once   sync.Once
	server *Server
	err    error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.server != nil {
		if err := shared.server.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "closing the shared server:", err)
			code = 1
		}
	}
	os.Exit(code)
}

// testServer is one server for all tests of the package.
func testServer(t *testing.T) *Server {
	t.Helper()
	shared.once.Do(func() {
		shared.server, shared.err = Start(t.Context(), testConfig())
	})
	if shared.err != nil {
		t.Fatalf("Start: %v", shared.err)
	}
	return shared.server
}

func testConfig() Config {
	return Config{
		Host:   testHost,
		Region: testRegion,
		Keys: map[string]Key{
			testKeyID: {Secret: testSecret},
			roleKeyID: {Secret: roleSecret, SessionToken: testSessionToken},
		},
		Now: func() time.Time { return time.Now().Add(time.Duration(testClock.ahead.Load())) },
	}
}

// sdkToken makes a token the way AWS's SDK does.
func sdkToken(t testing.TB, endpoint, region, user string, key ...string) string {
	t.Helper()
	key = append(slices.Clone(key), "")
	provider := credentials.NewStaticCredentialsProvider(key[0], key[1], key[2])
	token, err := auth.BuildAuthToken(context.Background(), endpoint, region, user, provider)
	if err != nil {
		t.Fatalf("BuildAuthToken: %v", err)
	}
	return token
}

// connect logs in over TLS with verify-full for testHost, trusting the server's
// own CA.
func connect(ctx context.Context, s *Server, user, password string) (*pgx.Conn, error) {
	return connectVerifying(ctx, s, testHost, s.CA(), user, password)
}

func connectVerifying(ctx context.Context, s *Server, host string, ca *CA, user, password string) (*pgx.Conn, error) {
	cfg, err := pgx.ParseConfig("postgresql://" + s.Address() + "/" + Database + "?sslmode=verify-full")
	if err != nil {
		return nil, err
	}
	cfg.User, cfg.Password = user, password
	cfg.TLSConfig.ServerName = host
	cfg.TLSConfig.RootCAs = x509.NewCertPool()
	cfg.TLSConfig.RootCAs.AppendCertsFromPEM(ca.PEM())
	return pgx.ConnectConfig(ctx, cfg)
}

func TestTokenLogsIn(t *testing.T) {
	s := testServer(t)
	token := sdkToken(t, testHost+":5432", testRegion, AppUser, testKeyID, testSecret)
	for _, tt := range []struct{ name, accessKey, token string }{
		{"as the SDK for Go writes it", testKeyID, token},
		{"with a slash before the query", testKeyID, strings.Replace(token, "?", "/?", 1)},
		{"with a long session token", roleKeyID, sdkToken(t, testHost+":5432", testRegion, AppUser, roleKeyID, roleSecret, testSessionToken)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			conn, err := connect(t.Context(), s, AppUser, tt.token)
			if err != nil {
				t.Fatalf("connect with a token of %d bytes: %v; logins %+v", len(tt.token), err, s.Logins())
			}
			defer conn.Close(t.Context())
			var user, database string
			var tls bool
			const query = "SELECT current_user, current_database(), ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
			if err := conn.QueryRow(t.Context(), query).Scan(&user, &database, &tls); err != nil {
				t.Fatalf("query: %v", err)
			}
			if user != AppUser || database != Database || !tls {
				t.Errorf("logged in as %q to %q, TLS %v; want %q to %q, TLS", user, database, tls, AppUser, Database)
			}
			login := lastLogin(t, s)
			if !login.OK || login.User != AppUser || login.AccessKey != tt.accessKey || login.Reason != "" {
				t.Errorf("last login is %+v, want an accepted one of %s with %s", login, AppUser, tt.accessKey)
			}
		})
	}
}

func TestBadTokenIsRefused(t *testing.T) {
	s := testServer(t)
	const endpoint = testHost + ":5432"
	good := sdkToken(t, endpoint, testRegion, AppUser, testKeyID, testSecret)
	for _, tt := range []struct {
		name, password, reason string
		ahead                  time.Duration
	}{
		{name: "expired", password: good, ahead: 15*time.Minute + 10*time.Second, reason: "token expired"},
		{name: "from the future", password: good, ahead: -6 * time.Minute, reason: "in the future"},
		{name: "unknown key", password: sdkToken(t, endpoint, testRegion, AppUser, "AKIASOMEBODY", testSecret), reason: `access key "AKIASOMEBODY" is not known`},
		{name: "wrong secret", password: sdkToken(t, endpoint, testRegion, AppUser, testKeyID, "guess"), reason: "signature"},
		{name: "other host", password: sdkToken(t, "localhost:5432", testRegion, AppUser, testKeyID, testSecret), reason: "host and port"},
		{name: "other port", password: sdkToken(t, testHost+":15432", testRegion, AppUser, testKeyID, testSecret), reason: "host and port"},
		{name: "other user", password: sdkToken(t, endpoint, testRegion, "admin", testKeyID, testSecret), reason: "DBUser"},
		{name: "other region", password: sdkToken(t, endpoint, "us-east-1", AppUser, testKeyID, testSecret), reason: "credential region"},
		{name: "no session token", password: sdkToken(t, endpoint, testRegion, AppUser, roleKeyID, roleSecret), reason: "session token"},
		{name: "foreign session token", password: sdkToken(t, endpoint, testRegion, AppUser, testKeyID, testSecret, "extra"), reason: "session token"},
		{name: "tampered", password: good[:len(good)-1] + flip(good[len(good)-1]), reason: "signature"},
		{name: "a password", password: "secret", reason: "not an IAM token"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			testClock.ahead.Store(int64(tt.ahead))
			defer testClock.ahead.Store(0)
			conn, err := connect(t.Context(), s, AppUser, tt.password)
			if err == nil {
				conn.Close(t.Context())
				t.Fatal("the token was accepted")
			}
			wantPgError(t, err, "28000", `LDAP authentication failed for user "app_user"`)
			login := lastLogin(t, s)
			if login.OK || login.User != AppUser || !strings.Contains(login.Reason, tt.reason) {
				t.Errorf("last login is %+v, want a refused one of %s for a reason with %q", login, AppUser, tt.reason)
			}
			if strings.Contains(login.Reason, tt.password) {
				t.Errorf("reason %q holds the password", login.Reason)
			}
		})
	}
}

func flip(hexDigit byte) string {
	if hexDigit == '0' {
		return "1"
	}
	return "0"
}

func TestOddUserNamesReachTheVerifier(t *testing.T) {
	s := testServer(t)
	admin, err := s.AdminConn(t.Context())
	if err != nil {
		t.Fatalf("AdminConn: %v", err)
	}
	defer admin.Close(t.Context())
	for _, user := range []string{`o'brien, "x"+y=z`, `uid=app_user,ou=iam`, `back\slash#;<>`, "ünïcode user@example.com", " spaces "} {
		role := pgx.Identifier{user}.Sanitize()
		for _, sql := range []string{"CREATE ROLE " + role + " LOGIN", "GRANT rds_iam TO " + role} {
			if _, err := admin.Exec(t.Context(), sql); err != nil {
				t.Fatalf("%s: %v", sql, err)
			}
		}
		defer admin.Exec(t.Context(), "DROP ROLE "+role) // for -count
		conn, err := connect(t.Context(), s, user, sdkToken(t, testHost+":5432", testRegion, user, testKeyID, testSecret))
		if err != nil {
			t.Errorf("connect as %q: %v; last login %+v", user, err, lastLogin(t, s))
			continue
		}
		conn.Close(t.Context())
		if got := lastLogin(t, s); got.User != user {
			t.Errorf("connecting as %q was noted as %q", user, got.User)
		}
	}
}

func TestPlainUserNeedsThePassword(t *testing.T) {
	s := testServer(t)
	before := len(s.Logins())
	conn, err := connect(t.Context(), s, PlainUser, PlainPassword)
	if err != nil {
		t.Fatalf("connect with the password: %v", err)
	}
	conn.Close(t.Context())
	token := sdkToken(t, testHost+":5432", testRegion, PlainUser, testKeyID, testSecret)
	conn, err = connect(t.Context(), s, PlainUser, token)
	if err == nil {
		conn.Close(t.Context())
		t.Fatal("a token was accepted as plain_user's password")
	}
	wantPgError(t, err, "28P01", `password authentication failed for user "plain_user"`)
	if got := len(s.Logins()); got != before {
		t.Errorf("logins by token went from %d to %d, want no change", before, got)
	}
}

func TestNoTLSIsRefused(t *testing.T) {
	s := testServer(t)
	for user, password := range map[string]string{
		AppUser:   sdkToken(t, testHost+":5432", testRegion, AppUser, testKeyID, testSecret),
		PlainUser: PlainPassword,
	} {
		cfg, err := pgx.ParseConfig("postgresql://" + s.Address() + "/" + Database + "?sslmode=disable")
		if err != nil {
			t.Fatal(err)
		}
		cfg.User, cfg.Password = user, password
		conn, err := pgx.ConnectConfig(t.Context(), cfg)
		if err == nil {
			conn.Close(t.Context())
			t.Fatalf("%s logged in without TLS", user)
		}
		wantPgError(t, err, "28000", "no encryption")
	}
}

func TestCertificate(t *testing.T) {
	ca, err := NewCA("another CA")
	if err != nil {
		t.Fatal(err)
	}
	cfg := testConfig()
	cfg.CA, cfg.CertHost = ca, "other.c9akciq32.eu-central-1.rds.amazonaws.com"
	cfg.ExtraConf = "application_name = 'extra'"
	other, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatalf("Start: %v", err)
	}
	defer other.Close()
	token := sdkToken(t, testHost+":5432", testRegion, AppUser, testKeyID, testSecret)

	var wrongName x509.HostnameError
	if conn, err := connectVerifying(t.Context(), other, testHost, ca, AppUser, token); err == nil {
		conn.Close(t.Context())
		t.Error("a certificate for another name passed")
	} else if !errors.As(err, &wrongName) {
		t.Errorf("error for another name is %v, want a HostnameError", err)
	}
	if conn, err := connectVerifying(t.Context(), other, cfg.CertHost, ca, AppUser, token); err != nil {
		t.Errorf("connect with the certificate's own name: %v", err)
	} else {
		conn.Close(t.Context())
	}
	var unknown x509.UnknownAuthorityError
	if conn, err := connectVerifying(t.Context(), other, cfg.CertHost, testServer(t).CA(), AppUser, token); err == nil {
		conn.Close(t.Context())
		t.Error("a certificate of another CA passed")
	} else if !errors.As(err, &unknown) {
		t.Errorf("error for another CA is %v, want an UnknownAuthorityError", err)
	}
	if file, err := os.ReadFile(other.CAFile()); err != nil || !bytes.Equal(file, ca.PEM()) {
		t.Errorf("CAFile holds %q, %v; want the CA's certificate", file, err)
	}
	wantSetting(t, other, "application_name", "extra")
}

func TestAdminAndVersion(t *testing.T) {
	s := testServer(t)
	wantSetting(t, s, "server_version", s.ServerVersion())
	wantSetting(t, s, "is_superuser", "on")
	if len(s.ServerVersion()) < 2 {
		t.Errorf("ServerVersion is %q", s.ServerVersion())
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	s, err := Start(t.Context(), testConfig())
	if err != nil {
		t.Fatalf("Start: %v", err)
	}
	conn, err := s.AdminConn(t.Context())
	if err != nil {
		t.Fatalf("AdminConn: %v", err)
	}
	defer conn.Close(t.Context())
	for range 2 {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if err := conn.Ping(t.Context()); err == nil {
		t.Error("a connection outlived Close")
	}
	if _, err := os.Stat(s.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("directory after Close: %v, want none", err)
	}
	if conn, err := net.Dial("tcp", s.Address()); err == nil {
		conn.Close()
		t.Errorf("something listens on %s after Close", s.Address())
	}
}

func TestStartTellsWhatIsWrong(t *testing.T) {
	ctx := t.Context()
	cfg := testConfig()
	cfg.BinDir = t.TempDir()
	_, err := Start(ctx, cfg)
	var missing *NotInstalledError
	if !errors.As(err, &missing) {
		t.Errorf("Start without PostgreSQL: %v, want a NotInstalledError", err)
	} else if !strings.Contains(missing.Hint(), "apt-get install postgresql") || !strings.Contains(missing.Error(), cfg.BinDir) {
		t.Errorf("the error says %q, hint %q; want the directory and what to install", missing, missing.Hint())
	}

	cfg = testConfig()
	cfg.ExtraConf = "no_such_setting = 1"
	if _, err := Start(ctx, cfg); err == nil || !strings.Contains(err.Error(), "no_such_setting") {
		t.Errorf("Start with a wrong setting: %v, want the server's own words", err)
	}
	if _, err := Start(ctx, Config{}); err == nil || !strings.Contains(err.Error(), "required") {
		t.Errorf("Start without a host: %v, want what is required", err)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := Start(ended, testConfig()); !errors.Is(err, context.Canceled) {
		t.Errorf("Start with an ended context: %v, want %v", err, context.Canceled)
	}
}

func TestKeysAreNotPrinted(t *testing.T) {
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(format, testConfig().Keys); strings.Contains(got, testSecret) {
			t.Errorf("%s of the keys is %s, want no secret", format, got)
		}
	}
}

func lastLogin(t *testing.T, s *Server) Login {
	t.Helper()
	logins := s.Logins()
	if len(logins) == 0 {
		t.Fatal("no login was noted")
	}
	return logins[len(logins)-1]
}

func wantPgError(t *testing.T, err error, code, message string) {
	t.Helper()
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) {
		t.Fatalf("error is %v, want one of PostgreSQL's", err)
	}
	if pgErr.Code != code || !strings.Contains(pgErr.Message, message) {
		t.Errorf("refused with %s %q, want %s with %q", pgErr.Code, pgErr.Message, code, message)
	}
}

func wantSetting(t *testing.T, s *Server, name, want string) {
	t.Helper()
	conn, err := s.AdminConn(t.Context())
	if err != nil {
		t.Fatalf("AdminConn: %v", err)
	}
	defer conn.Close(t.Context())
	var got string
	if err := conn.QueryRow(t.Context(), "SELECT current_setting($1)", name).Scan(&got); err != nil || got != want {
		t.Errorf("%s is %q, %v; want %q", name, got, err, want)
	}
}
