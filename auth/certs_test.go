package auth

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"testing"
	"time"
)

// Certificates of the tests are valid from before the bubbles' clock begins.
var (
	certsFrom  = time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)
	certsUntil = time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)
)

// authority issues certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func sign(t *testing.T, template, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, big.NewInt(1<<62)); err != nil {
		t.Fatal(err)
	}
	if template.NotAfter.IsZero() {
		template.NotAfter = certsUntil
	}
	template.NotBefore = certsFrom
	if parent == nil {
		parent, parentKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return authority{cert: cert, key: key}
}

func caTemplate(name string) *x509.Certificate {
	return &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign,
	}
}

func newCA(t *testing.T, name string) authority {
	t.Helper()
	return sign(t, caTemplate(name), nil, nil)
}

func (a authority) intermediate(t *testing.T, name string) authority {
	t.Helper()
	return sign(t, caTemplate(name), a.cert, a.key)
}

// leaf issues a server certificate, with the chain that a server sends.
func (a authority) leaf(t *testing.T, host string, chain ...authority) tls.Certificate {
	t.Helper()
	return a.leafUntil(t, host, certsUntil, chain...)
}

func (a authority) leafUntil(t *testing.T, host string, until time.Time, chain ...authority) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{Subject: pkix.Name{CommonName: host}, NotAfter: until, KeyUsage: x509.KeyUsageDigitalSignature}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	l := sign(t, template, a.cert, a.key)
	c := tls.Certificate{Certificate: [][]byte{l.cert.Raw}, PrivateKey: l.key}
	for _, link := range chain {
		c.Certificate = append(c.Certificate, link.cert.Raw)
	}
	return c
}

// pems is the PEM text of certificates.
func pems(t *testing.T, certs ...*x509.Certificate) string {
	t.Helper()
	var text bytes.Buffer
	for _, cert := range certs {
		if err := pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}); err != nil {
			t.Fatal(err)
		}
	}
	return text.String()
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

func serving(cert tls.Certificate) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{cert}}
}

// trusting returns Roots that know test authorities in place of AWS's.
func trusting(t *testing.T, cfg RootsConfig, rds, amazon []authority) *Roots {
	t.Helper()
	r, err := NewRoots(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r.rds, r.amazon = nil, nil
	for _, a := range rds {
		r.rds = append(r.rds, a.cert)
	}
	for _, a := range amazon {
		r.amazon = append(r.amazon, a.cert)
	}
	return r
}
