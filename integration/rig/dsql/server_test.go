package dsql

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

const (
	host   = "abtkpcdmqncdwnx7z2tkqvbzmy.dsql.eu-west-1.on.aws"
	keyID  = "AKIDEXAMPLE"
	secret = "wJalrXUtnFEMI"
	role   = "arn:aws:iam::111122223333:role/developer"
)

// token is what the SDK signs for DSQL.
func token(t *testing.T, action string) string {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, "https://"+host+"/?Action="+action+"&X-Amz-Expires=900", nil)
	if err != nil {
		t.Fatal(err)
	}
	signed, _, err := v4.NewSigner().PresignHTTP(t.Context(), aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}, r,
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "dsql", "eu-west-1", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(signed, "https://")
}

func startServer(t *testing.T) *Server {
	t.Helper()
	s, err := Start(t.Context(), Config{Host: host, Region: "eu-west-1", Keys: map[string]pgserver.Key{keyID: {Secret: secret}}, Roles: map[string]string{keyID: role}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// config is a client's of s, by an SSLRequest or direct.
func config(t *testing.T, s *Server, user, database, password string, direct bool) *pgx.ConnConfig {
	t.Helper()
	cfg, err := pgx.ParseConfig("postgresql://" + s.Address() + "/" + database + "?sslmode=require")
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(s.CA().PEM())
	cfg.User, cfg.Password = user, password
	cfg.TLSConfig = &tls.Config{RootCAs: roots, ServerName: host, NextProtos: []string{alpn}}
	cfg.SSLNegotiation = "postgres"
	if direct {
		cfg.SSLNegotiation = "direct"
	}
	return cfg
}

func connect(t *testing.T, cfg *pgx.ConnConfig) (*pgx.Conn, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return pgx.ConnectConfig(ctx, cfg)
}

// refusedWith is the error of a login, which must have one.
func refusedWith(t *testing.T, cfg *pgx.ConnConfig) *pgconn.PgError {
	t.Helper()
	c, err := connect(t, cfg)
	if err == nil {
		c.Close(t.Context())
		t.Error("got in")
		return &pgconn.PgError{}
	}
	var said *pgconn.PgError
	if !errors.As(err, &said) {
		t.Errorf("got %v, want an ErrorResponse", err)
		return &pgconn.PgError{}
	}
	return said
}

// Logins are checked as DSQL's documentation has it.
func TestLogins(t *testing.T) {
	s := startServer(t)
	adminToken, appToken := token(t, "DbConnectAdmin"), token(t, "DbConnect")
	for _, direct := range []bool{false, true} {
		c, err := connect(t, config(t, s, admin, database, adminToken, direct))
		if err != nil {
			t.Fatalf("direct %v: %v", direct, err)
		}
		var who string
		if err := c.QueryRow(t.Context(), "select current_user").Scan(&who); err != nil || who != admin {
			t.Errorf("direct %v: %q, %v", direct, who, err)
		}
		if all := s.Logins(); all[len(all)-1].Direct != direct {
			t.Errorf("%+v, want direct %v", all[len(all)-1], direct)
		}
		c.Close(t.Context())
	}
	for _, test := range []struct {
		user, database, password string
		code                     string
	}{
		{admin, database, appToken, "08006"},
		{"app", database, adminToken, "08006"},
		{"app", database, appToken, "08006"}, // not granted
		{admin, database, "secret", "08006"},
		{admin, "other", adminToken, "3D000"},
	} {
		if got := refusedWith(t, config(t, s, test.user, test.database, test.password, false)); got.Code != test.code {
			t.Errorf("%s in %s: %s %s, want %s", test.user, test.database, got.Code, got.Message, test.code)
		}
	}
	noSNI := config(t, s, admin, database, adminToken, false)
	noSNI.TLSConfig = &tls.Config{InsecureSkipVerify: true}
	if got := refusedWith(t, noSNI); !strings.Contains(got.Message, "sni was not received") {
		t.Errorf("without SNI: %v", got)
	}

	c, err := connect(t, config(t, s, admin, database, adminToken, false))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	for _, sql := range []string{"CREATE ROLE app WITH LOGIN", "AWS IAM GRANT app TO '" + role + "';"} {
		if _, err := c.PgConn().Exec(t.Context(), sql).ReadAll(); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	app, err := connect(t, config(t, s, "app", database, appToken, true))
	if err != nil {
		t.Fatalf("app: %v", err)
	}
	var said *pgconn.PgError
	if _, err := app.PgConn().Exec(t.Context(), "AWS IAM GRANT app TO 'x'").ReadAll(); !errors.As(err, &said) || said.Code != "42501" {
		t.Errorf("app may grant: %v", err)
	}
	app.Close(t.Context())
	if _, err := c.PgConn().Exec(t.Context(), `AWS IAM REVOKE "app" FROM '`+role+"'").ReadAll(); err != nil {
		t.Fatal(err)
	}
	if got := refusedWith(t, config(t, s, "app", database, appToken, true)); got.Code != "08006" {
		t.Errorf("app after REVOKE: %v", got)
	}
}

// What can be set is done.
func TestFaults(t *testing.T) {
	s := startServer(t)
	cfg := func(direct bool) *pgx.ConnConfig {
		return config(t, s, admin, database, token(t, "DbConnectAdmin"), direct)
	}
	for how, want := range map[TLS][2]bool{ // by request, direct
		EitherTLS: {true, true}, DirectTLS: {false, true}, RequestTLS: {true, false}, RefusingTLS: {false, true},
	} {
		s.SetTLS(how)
		for i, direct := range []bool{false, true} {
			c, err := connect(t, cfg(direct))
			if (err == nil) != want[i] {
				t.Errorf("TLS %d, direct %v: %v", how, direct, err)
			}
			if err == nil {
				c.Close(t.Context())
			}
		}
	}
	s.SetTLS(EitherTLS)
	s.RefuseFull(1)
	if got := refusedWith(t, cfg(true)); got.Code != "53300" || got.Message != "Unable to accept connection, too many open connections." {
		t.Errorf("full: %v", got)
	}
	s.RefuseRate(1)
	if got := refusedWith(t, cfg(false)); got.Code != "53400" || got.Message != "Unable to accept connection, rate exceeded." {
		t.Errorf("too fast: %v", got)
	}
	guarded := cfg(false)
	guarded.RuntimeParams["default_transaction_read_only"] = "on"
	for params, want := range map[Parameters]string{Accept: "on", Ignore: "off"} {
		s.SetParameters(params)
		c, err := connect(t, guarded)
		if err != nil {
			t.Fatal(err)
		}
		var got string
		if err := c.QueryRow(t.Context(), "show default_transaction_read_only").Scan(&got); err != nil || got != want {
			t.Errorf("parameters %d: %q, %v; want %q", params, got, err, want)
		}
		c.Close(t.Context())
	}
	s.SetParameters(Refuse)
	if got := refusedWith(t, guarded); got.Message != `setting configuration parameter "default_transaction_read_only" not supported` {
		t.Errorf("refused parameters: %v", got)
	}
	inOptions := cfg(false)
	inOptions.RuntimeParams["options"] = "-c search_path=x --statement-timeout=1"
	if got := refusedWith(t, inOptions); !strings.Contains(got.Message, `"search_path"`) {
		t.Errorf("refused options: %v", got)
	}
}

// Sessions whose time is over end as it is set, and one with an open transaction after that.
func TestEnds(t *testing.T) {
	s := startServer(t)
	for end, want := range map[End]string{Closing: io.EOF.Error(), Cutting: io.ErrUnexpectedEOF.Error(), Saying: "its maximum duration is reached"} {
		s.SetLife(0, end)
		c, err := connect(t, config(t, s, admin, database, token(t, "DbConnectAdmin"), true))
		if err != nil {
			t.Fatal(err)
		}
		tx, err := c.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n := s.EndSessions(); n != 1 {
			t.Errorf("%d sessions ended, want 1", n)
		}
		if _, err := tx.Exec(t.Context(), "select 1"); err != nil {
			t.Errorf("in a transaction: %v", err)
		}
		tx.Commit(t.Context())
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		if _, err := c.WaitForNotification(ctx); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("end %d: %v, want %q", end, err, want)
		}
		cancel()
		c.Close(context.Background())
	}
	s.SetLife(time.Millisecond, Closing)
	c, err := connect(t, config(t, s, admin, database, token(t, "DbConnectAdmin"), true))
	if err != nil {
		return // over before the client had all of it
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := c.WaitForNotification(ctx); err == nil || ctx.Err() != nil {
		t.Errorf("a session of a millisecond: %v", err)
	}
}
