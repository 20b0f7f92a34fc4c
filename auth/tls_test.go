package auth

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"path/filepath"
	"testing"
	"time"
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
	rds, amazon, mine, stranger := newCA(t, "rds"), newCA(t, "amazon"), newCA(t, "mine"), newCA(t, "stranger")
	path := filepath.Join(t.TempDir(), "ca.pem")
	write(t, path, pems(t, mine.cert))
	roots := trusting(t, RootsConfig{CAFiles: []string{path}}, []authority{rds}, []authority{amazon})
	for kind, name := range endpoints {
		e := endpoint(t, name)
		if e.Kind != kind {
			t.Fatalf("%s is %v, want %v", name, e.Kind, kind)
		}
		isRDS := kind != KindProxy && kind != KindDSQL && kind != KindRedshift && kind != KindOther
		for _, tc := range []struct {
			issuer authority
			trust  bool
		}{
			{rds, isRDS || kind == KindOther},
			{amazon, !isRDS},
			{mine, true},
			{stranger, false},
		} {
			err := handshake(t, roots.TLSConfig(e), serving(tc.issuer.leaf(t, name)))
			_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
			if tc.trust && err != nil || !tc.trust && !unknown {
				t.Errorf("%v with a certificate of %s: %v; want trust %t", kind, tc.issuer.cert.Subject.CommonName, err, tc.trust)
			}
		}
	}
}

func TestCertificateMustNameTheEndpoint(t *testing.T) {
	rds := newCA(t, "rds")
	sub := rds.intermediate(t, "sub")
	roots := trusting(t, RootsConfig{}, []authority{rds}, nil)
	const host = "o.c1.us-east-1.rds.amazonaws.com"
	for _, tc := range []struct {
		name     string
		endpoint string
		server   *tls.Config
		ok       bool
		is       func(error) bool
	}{
		{name: "right name", endpoint: host, server: serving(rds.leaf(t, host)), ok: true},
		{name: "upper case typed", endpoint: "O.C1.us-east-1.RDS.amazonaws.com", server: serving(rds.leaf(t, host)), ok: true},
		{name: "through an intermediate", endpoint: host, server: serving(sub.leaf(t, host, sub)), ok: true},
		{name: "intermediate not sent", endpoint: host, server: serving(sub.leaf(t, host)), is: isType[x509.UnknownAuthorityError]},
		{name: "other host", endpoint: host, server: serving(rds.leaf(t, "p.c1.us-east-1.rds.amazonaws.com")), is: isType[x509.HostnameError]},
		{name: "localhost", endpoint: host, server: serving(rds.leaf(t, "localhost")), is: isType[x509.HostnameError]},
		{name: "expired", endpoint: host, server: serving(rds.leafUntil(t, host, time.Now().Add(-time.Hour))), is: isType[x509.CertificateInvalidError]},
		{name: "right address", endpoint: "[::1]:5432", server: serving(rds.leaf(t, "::1")), ok: true},
		{name: "wrong address", endpoint: "127.0.0.1", server: serving(rds.leaf(t, "127.0.0.2")), is: isType[x509.HostnameError]},
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
	rds := newCA(t, "rds")
	roots := trusting(t, RootsConfig{}, []authority{rds}, nil)
	const host = "o.c1.us-east-1.rds.amazonaws.com"
	for version, ok := range map[uint16]bool{
		tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true,
	} {
		server := serving(rds.leaf(t, host))
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
	rds := newCA(t, "rds")
	roots := trusting(t, RootsConfig{}, []authority{rds}, nil)
	const host = "o.c1.us-east-1.rds.amazonaws.com"
	server := serving(rds.leaf(t, host))
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
