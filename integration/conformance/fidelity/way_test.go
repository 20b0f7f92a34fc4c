package fidelity

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	rdsauth "github.com/aws/aws-sdk-go-v2/feature/rds/auth"

	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
)

// way leads to the database.
type way struct {
	name string
	// dial returns a conn for the first packet.
	dial func() (net.Conn, error)
	// password answers a request for one; nil: there must be none.
	password func(user string) (string, error)
}

// sslRequest is what asks for TLS.
var sslRequest = []byte{0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f}

// dialTLS asks for TLS at address.
func dialTLS(network, address string, cfg *tls.Config) (net.Conn, error) {
	raw, err := net.Dial(network, address)
	if err != nil {
		return nil, err
	}
	if _, err := raw.Write(sslRequest); err != nil {
		return nil, err
	}
	answer := make([]byte, 1)
	if _, err := io.ReadFull(raw, answer); err != nil || answer[0] != 'S' {
		return nil, fmt.Errorf("SSLRequest answered with %q, %v", answer, err)
	}
	secure := tls.Client(raw, cfg)
	return secure, secure.Handshake()
}

// direct has no pgkeyless in it: it verifies the certificate of the database at
// address and sends the token itself.
func direct(address string) way {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(shared.database.CA().PEM())
	cfg := &tls.Config{RootCAs: roots, ServerName: lab.Host}
	keys := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{
			AccessKeyID:     shared.keys.AccessKeyID,
			SecretAccessKey: shared.keys.SecretAccessKey,
			SessionToken:    shared.keys.SessionToken,
		}, nil
	})
	return way{
		name: "direct",
		dial: func() (net.Conn, error) { return dialTLS("tcp", address, cfg) },
		password: func(user string) (string, error) {
			return rdsauth.BuildAuthToken(context.Background(), lab.Endpoint, lab.Region, user, keys)
		},
	}
}

// startProxy starts pgkeyless for target and ends it with the test.
func startProxy(t *testing.T, target string, env []string) *lab.Proxy {
	t.Helper()
	sockets, err := os.MkdirTemp("", "pgk-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(sockets) })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	p, err := lab.StartProxy(ctx, lab.Command{
		Binary: shared.binary,
		Args:   []string{"serve", target, "--port", "0", "--unix-socket", sockets, "--debug-logs"},
		Env:    append(env, "HOME="+sockets),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Signal(syscall.SIGTERM)
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if code, err := p.Wait(ctx); err != nil || code != 128+int(syscall.SIGTERM) {
			t.Errorf("pgkeyless ended with code %d, %v", code, err)
			p.Kill()
		}
		if t.Failed() {
			t.Logf("pgkeyless printed:\n%s", p.Output())
		}
	})
	return p
}

// withoutTunnel are the ways through a pgkeyless that dials the database at
// target: what it relays are sockets.
func withoutTunnel(t *testing.T, target string) []way {
	p := startProxy(t, lab.Host+"?dial="+target+"&ca-file="+shared.database.CAFile(),
		shared.keys.Env("http://127.0.0.1:1")) // no call is made
	address, socket := p.Addresses()[0], p.Sockets()[0]
	return []way{
		{name: "plain", dial: func() (net.Conn, error) { return net.Dial("tcp", address) }},
		{name: "TLS", dial: func() (net.Conn, error) {
			// As with sslmode=require, nothing is verified: the recorder is no client of the CA.
			return dialTLS("tcp", address, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"postgresql"}})
		}},
		{name: "Unix socket", dial: func() (net.Conn, error) { return net.Dial("unix", socket) }},
	}
}

// throughTunnel is a way that ends in a stream of a Session Manager session.
func throughTunnel(t *testing.T, target string) way {
	emulator, err := lab.StartAWS(shared.keys, target, func(c *awsemu.Config) { c.Pace, c.AckWithin = -1, 15*time.Second })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if broken := emulator.Violations(); len(broken) > 0 {
			t.Errorf("protocol violations: %q", broken)
		}
		emulator.Close()
	})
	p := startProxy(t, lab.TargetArg(shared.database.CAFile()), shared.keys.Env(emulator.URL()))
	address := p.Addresses()[0]
	return way{name: "tunnel", dial: func() (net.Conn, error) { return net.Dial("tcp", address) }}
}

// startupPacket makes a StartupMessage of any version.
func startupPacket(version uint32, parameters ...string) []byte {
	body := binary.BigEndian.AppendUint32(nil, version)
	for _, p := range parameters {
		body = append(append(body, p...), 0)
	}
	body = append(body, 0)
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body)+4)), body...)
}
