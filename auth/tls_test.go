package auth

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/testenv"
)

// endpoints has one of every kind.
var endpoints = map[Kind]string{
	KindOther:         "db.example.com",
	KindInstance:      "o.c1.us-east-1.rds.amazonaws.com",
	KindCluster:       "o.cluster-c1.us-east-1.rds.amazonaws.com",
	KindClusterReader: "o.cluster-ro-c1.us-east-1.rds.amazonaws.com",
	KindClusterCustom: "o.cluster-custom-c1.us-east-1.rds.amazonaws.com",
	KindShardGroup:    "o.shardgrp-c1.us-east-1.rds.amazonaws.com",
	KindGlobal:        "o.global-c1.global.rds.amazonaws.com",
	KindProxy:         "o.proxy-c1.us-east-1.rds.amazonaws.com",
	KindDSQL:          "o.dsql.us-east-1.on.aws",
	KindRedshift:      "o.c1.us-east-1.redshift.amazonaws.com",
}

func TestEachKindTrustsItsOwnRoots(t *testing.T) {
	rds, amazon, mine, stranger := testenv.NewCA(t, "rds"), testenv.NewCA(t, "amazon"), testenv.NewCA(t, "mine"), testenv.NewCA(t, "stranger")
	path := filepath.Join(t.TempDir(), "ca.pem")
	testenv.Write(t, path, testenv.PEM(t, mine.Cert))
	roots := trusting(t, RootsConfig{CAFiles: []string{path}}, []testenv.Authority{rds}, []testenv.Authority{amazon})
	for kind, name := range endpoints {
		e := endpoint(t, name)
		if e.Kind != kind {
			t.Fatalf("%s is %v, want %v", name, e.Kind, kind)
		}
		isRDS := kind != KindProxy && kind != KindDSQL && kind != KindRedshift && kind != KindOther
		for _, tc := range []struct {
			issuer testenv.Authority
			trust  bool
		}{
			{rds, isRDS || kind == KindOther},
			{amazon, !isRDS},
			{mine, true},
			{stranger, false},
		} {
			err := handshake(t, roots.TLSConfig(e), testenv.ServerConfig(tc.issuer.Leaf(t, name)))
			_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
			if tc.trust && err != nil || !tc.trust && !unknown {
				t.Errorf("%v with a certificate of %s: %v; want trust %t", kind, tc.issuer.Cert.Subject.CommonName, err, tc.trust)
			}
		}
	}
}

// An Aurora cluster behind the internet access gateway may have a certificate of either.
func TestGatewayMayHaveEitherRoots(t *testing.T) {
	rds, amazon, stranger := testenv.NewCA(t, "rds"), testenv.NewCA(t, "amazon"), testenv.NewCA(t, "stranger")
	roots := trusting(t, RootsConfig{}, []testenv.Authority{rds}, []testenv.Authority{amazon})
	name := endpoints[KindCluster]
	e := endpoint(t, name)
	if handshake(t, roots.TLSConfig(e), testenv.ServerConfig(amazon.Leaf(t, name))) == nil {
		t.Error("a cluster that is not behind the gateway is trusted with a certificate of Amazon's")
	}
	e.Gateway = true
	for issuer, trusted := range map[*testenv.Authority]bool{&rds: true, &amazon: true, &stranger: false} {
		if err := handshake(t, roots.TLSConfig(e), testenv.ServerConfig(issuer.Leaf(t, name))); (err == nil) != trusted {
			t.Errorf("with a certificate of %s: %v; want trust %t", issuer.Cert.Subject.CommonName, err, trusted)
		}
	}
}

func TestCertificateMustNameTheEndpoint(t *testing.T) {
	rds := testenv.NewCA(t, "rds")
	sub := rds.Intermediate(t, "sub")
	roots := trusting(t, RootsConfig{}, []testenv.Authority{rds}, nil)
	const host = "o.c1.us-east-1.rds.amazonaws.com"
	for _, tc := range []struct {
		name     string
		endpoint string
		server   *tls.Config
		ok       bool
		is       func(error) bool
	}{
		{name: "right name", endpoint: host, server: testenv.ServerConfig(rds.Leaf(t, host)), ok: true},
		{name: "upper case typed", endpoint: "O.C1.us-east-1.RDS.amazonaws.com", server: testenv.ServerConfig(rds.Leaf(t, host)), ok: true},
		{name: "through an intermediate", endpoint: host, server: testenv.ServerConfig(sub.Leaf(t, host, sub)), ok: true},
		{name: "intermediate not sent", endpoint: host, server: testenv.ServerConfig(sub.Leaf(t, host)), is: isType[x509.UnknownAuthorityError]},
		{name: "other host", endpoint: host, server: testenv.ServerConfig(rds.Leaf(t, "p.c1.us-east-1.rds.amazonaws.com")), is: isType[x509.HostnameError]},
		{name: "localhost", endpoint: host, server: testenv.ServerConfig(rds.Leaf(t, "localhost")), is: isType[x509.HostnameError]},
		{name: "expired", endpoint: host, server: testenv.ServerConfig(rds.LeafUntil(t, host, time.Now().Add(-time.Hour))), is: isType[x509.CertificateInvalidError]},
		{name: "right address", endpoint: "[::1]:5432", server: testenv.ServerConfig(rds.Leaf(t, "::1")), ok: true},
		{name: "wrong address", endpoint: "127.0.0.1", server: testenv.ServerConfig(rds.Leaf(t, "127.0.0.2")), is: isType[x509.HostnameError]},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := handshake(t, roots.TLSConfig(endpoint(t, tc.endpoint)), tc.server)
			if tc.ok && err != nil || !tc.ok && (err == nil || !tc.is(err)) {
				t.Errorf("handshake: %v (%T); want success %t", err, err, tc.ok)
			}
		})
	}
}

func isType[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

func TestOldTLSIsRefused(t *testing.T) {
	rds := testenv.NewCA(t, "rds")
	roots := trusting(t, RootsConfig{}, []testenv.Authority{rds}, nil)
	const host = "o.c1.us-east-1.rds.amazonaws.com"
	for version, ok := range map[uint16]bool{
		tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true,
	} {
		server := testenv.ServerConfig(rds.Leaf(t, host))
		server.MinVersion, server.MaxVersion = tls.VersionTLS10, version
		if err := handshake(t, roots.TLSConfig(endpoint(t, host)), server); (err == nil) != ok {
			t.Errorf("%s: %v; want success %t", tls.VersionName(version), err, ok)
		}
	}
}

func TestTLSConfigNeverFallsBack(t *testing.T) {
	roots := trusting(t, RootsConfig{}, nil, nil)
	for kind, name := range endpoints {
		cfg := roots.TLSConfig(endpoint(t, name))
		if cfg.RootCAs == nil || cfg.InsecureSkipVerify || cfg.ClientSessionCache != nil || cfg.ServerName != name {
			t.Errorf("%v: roots nil %t, skip %t, server name %q", kind, cfg.RootCAs == nil, cfg.InsecureSkipVerify, cfg.ServerName)
		}
		if again := roots.TLSConfig(endpoint(t, name)); again == cfg {
			t.Errorf("%v: two handshakes share a config", kind)
		}
	}
}

// PostgreSQL's own default must not cost a second hello.
func TestNoSecondHelloForPostgreSQL(t *testing.T) {
	rds := testenv.NewCA(t, "rds")
	roots := trusting(t, RootsConfig{}, []testenv.Authority{rds}, nil)
	const host = "o.c1.us-east-1.rds.amazonaws.com"
	server := testenv.ServerConfig(rds.Leaf(t, host))
	server.CurvePreferences = []tls.CurveID{tls.CurveP256}
	again := true
	server.VerifyConnection = func(state tls.ConnectionState) error {
		again = state.HelloRetryRequest
		return nil
	}
	if err := handshake(t, roots.TLSConfig(endpoint(t, host)), server); err != nil || again {
		t.Errorf("handshake: %v, with a HelloRetryRequest: %v", err, again)
	}
}

// handshake runs one over loopback (in memory, both ends could wait to write) and
// returns the client's error.
func handshake(t *testing.T, client, server *tls.Config) error {
	t.Helper()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", server)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	done := make(chan struct{})
	defer func() { <-done }()
	go func() {
		defer close(done)
		if conn, err := listener.Accept(); err == nil {
			conn.Read(make([]byte, 1)) // shakes hands, then waits for the client's end
			conn.Close()
		}
	}()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		listener.Close()
		t.Fatal(err)
	}
	defer conn.Close()
	return tls.Client(conn, client).Handshake()
}
