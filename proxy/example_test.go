package proxy_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgkeyless/pgkeyless/proxy"
)

// A Server leads a client without a password to a database that wants one. What
// is an AWS token and an SSM session elsewhere is a fixed password here, and a
// plain dial.
func Example() {
	ctx := context.Background()
	const name = "orders.example.com" // the one in the database's certificate
	database, trusted := startDatabase(name)
	defer database.Close()

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server, err := proxy.New(proxy.Config{
		Routes: []proxy.Route{{
			Name:    "orders",
			Listen:  []net.Listener{listener},
			Address: database.Addr().String(),
			Dialer:  new(net.Dialer),
			Tokens:  password("made for this login"),
			TLS:     func() *tls.Config { return &tls.Config{ServerName: name, RootCAs: trusted} },
		}},
	})
	if err != nil {
		log.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx) }()

	// Any PostgreSQL client does.
	client, err := pgconn.Connect(ctx, fmt.Sprintf("postgres://ada@%s/app?sslmode=disable", listener.Addr()))
	if err != nil {
		log.Fatal(err)
	}
	results, err := client.Exec(ctx, "select 'how did I get in?'").ReadAll()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("the database says: %s\n", results[0].Rows[0][0])
	if err := client.Close(ctx); err != nil {
		log.Fatal(err)
	}

	if err := server.Shutdown(ctx); err != nil { // waits for open sessions
		log.Fatal(err)
	}
	fmt.Println("ended:", <-served, "after", server.Snapshot().Logins, "login")
	// Output:
	// the database says: ada by the password "made for this login"
	// ended: <nil> after 1 login
}

// password is a proxy.TokenSource.
type password string

func (p password) Token(context.Context, string) (proxy.Password, error) {
	return proxy.NewPassword(string(p)), nil
}

// startDatabase serves one client as a database would whose certificate is for
// name: TLS, a request for a clear-text password, and an answer.
func startDatabase(name string) (net.Listener, *x509.CertPool) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		log.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		log.Fatal(err)
	}
	trusted := x509.NewCertPool()
	trusted.AddCert(certificate)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		if err := serveDatabase(c, tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}); err != nil && err != io.ErrUnexpectedEOF {
			log.Print("database: ", err)
		}
	}()
	return l, trusted
}

func serveDatabase(c net.Conn, certificate tls.Certificate) error {
	sslRequest := make([]byte, 8)
	if _, err := io.ReadFull(c, sslRequest); err != nil {
		return err
	}
	if _, err := c.Write([]byte{'S'}); err != nil {
		return err
	}
	secure := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{certificate}})
	defer secure.Close()
	wire := pgproto3.NewBackend(secure, secure)
	startup, err := wire.ReceiveStartupMessage()
	if err != nil {
		return err
	}
	user := startup.(*pgproto3.StartupMessage).Parameters["user"]
	wire.Send(&pgproto3.AuthenticationCleartextPassword{})
	if err := wire.Flush(); err != nil {
		return err
	}
	if err := wire.SetAuthType(pgproto3.AuthTypeCleartextPassword); err != nil {
		return err
	}
	answer, err := wire.Receive()
	if err != nil {
		return err
	}
	given := answer.(*pgproto3.PasswordMessage).Password
	wire.Send(&pgproto3.AuthenticationOk{})
	wire.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	if err := wire.Flush(); err != nil {
		return err
	}
	for {
		message, err := wire.Receive()
		if err != nil {
			return err
		}
		if _, ok := message.(*pgproto3.Query); !ok {
			return nil
		}
		wire.Send(&pgproto3.RowDescription{Fields: []pgproto3.FieldDescription{{Name: []byte("answer"), DataTypeOID: 25, DataTypeSize: -1, TypeModifier: -1}}})
		wire.Send(&pgproto3.DataRow{Values: [][]byte{fmt.Appendf(nil, "%s by the password %q", user, given)}})
		wire.Send(&pgproto3.CommandComplete{CommandTag: []byte("SELECT 1")})
		wire.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
		if err := wire.Flush(); err != nil {
			return err
		}
	}
}
