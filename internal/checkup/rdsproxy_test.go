package checkup

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgkeyless/pgkeyless/auth"
	"github.com/pgkeyless/pgkeyless/internal/credentials"
	"github.com/pgkeyless/pgkeyless/internal/testenv"
	"github.com/pgkeyless/pgkeyless/proxy"
)

const pooled = "pooled.proxy-c9akciq32abc.eu-central-1.rds.amazonaws.com"

// pool is an RDS Proxy that asks each client in the same way, and lets all of them in.
type pool struct {
	asks  pgproto3.BackendMessage // nil: it does not ask
	tls   *tls.Config
	ended chan error
}

func (p *pool) DialContext(context.Context, string, string) (net.Conn, error) {
	near, far := net.Pipe()
	go func() {
		defer far.Close()
		p.ended <- p.serve(far)
	}()
	return near, nil
}

func (p *pool) serve(c net.Conn) error {
	if _, err := pgproto3.NewBackend(c, c).ReceiveStartupMessage(); err != nil { // SSLRequest
		return err
	}
	if _, err := c.Write([]byte{'S'}); err != nil {
		return err
	}
	secured := tls.Server(c, p.tls)
	b := pgproto3.NewBackend(secured, secured)
	if _, err := b.ReceiveStartupMessage(); err != nil {
		return err
	}
	if p.asks != nil {
		b.Send(p.asks)
		if err := b.Flush(); err != nil {
			return err
		}
		if err := b.SetAuthType(pgproto3.AuthTypeCleartextPassword); err != nil { // any password message
			return err
		}
		if _, err := b.Receive(); err != nil {
			return err
		}
	}
	b.Send(&pgproto3.AuthenticationOk{})
	b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	if err := b.Flush(); err != nil {
		return err
	}
	_, err := b.Receive() // Terminate
	return err
}

type anyToken struct{}

func (anyToken) Token(context.Context, string) (proxy.Password, error) {
	return proxy.NewPassword("token"), nil
}

// password is that of user app alone.
type password struct{}

func (password) Has(user string) bool { return user == "app" }
func (password) Password(context.Context, string) (proxy.Password, error) {
	return proxy.NewPassword("battery"), nil
}
func (p password) Renew(ctx context.Context, user string, _ proxy.Password) (proxy.Password, error) {
	return p.Password(ctx, user)
}
func (password) Rotation(string) *proxy.Rotation { return proxy.NewRotation() }

// What an RDS Proxy asked for is told as it was: users with a secret have no token.
func TestWhatAnRDSProxyAskedFor(t *testing.T) {
	ca := testenv.NewCA(t, "test")
	roots := x509.NewCertPool()
	roots.AddCert(ca.Cert)
	endpoint, err := auth.ParseEndpoint(pooled)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		user string
		asks pgproto3.BackendMessage
		want string
	}{
		"a token":    {"ada", &pgproto3.AuthenticationCleartextPassword{}, "this proxy asks for the token in clear text, and"},
		"a password": {"app", &pgproto3.AuthenticationMD5Password{Salt: [4]byte{1, 2, 3, 4}}, "this proxy asks for the password by MD5, and"},
		"nothing":    {"ada", nil, "this proxy did not ask for the token, and"},
	} {
		t.Run(name, func(t *testing.T) {
			p := &pool{asks: test.asks, tls: testenv.ServerConfig(ca.Leaf(t, endpoint.Host)), ended: make(chan error, 1)}
			conn, err := proxy.Probe(t.Context(), proxy.Route{
				Name: "pooled", Address: endpoint.Address(), Dialer: p, Tokens: anyToken{}, Passwords: password{}, ClearTextToken: true,
				TLS: func() *tls.Config { return &tls.Config{ServerName: endpoint.Host, RootCAs: roots} },
			}, test.user, "postgres", 0, func(proxy.ProbeStep) {})
			if err != nil {
				t.Fatal(err)
			}
			c := New(Config{Target: testenv.Target(pooled, nil), Profiles: new(credentials.Profiles), Log: slog.New(slog.DiscardHandler)})
			c.login.Endpoint = endpoint
			notes := c.metAt(conn)
			conn.Close()
			if err := <-p.ended; err != nil {
				t.Errorf("the proxy: %v", err)
			}
			if len(notes) != 1 || !strings.HasPrefix(notes[0], test.want) {
				t.Errorf("got %q, want %q", notes, test.want)
			}
		})
	}
}
