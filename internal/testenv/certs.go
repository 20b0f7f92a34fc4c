package testenv

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
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Certificates of the tests are valid from before the bubbles' clock begins.
var (
	certsFrom  = time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)
	CertsUntil = time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)
)

// Authority issues certificates.
type Authority struct {
	Cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func Sign(t *testing.T, template, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) Authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, big.NewInt(1<<62)); err != nil {
		t.Fatal(err)
	}
	if template.NotAfter.IsZero() {
		template.NotAfter = CertsUntil
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
	return Authority{Cert: cert, key: key}
}

func CaTemplate(name string) *x509.Certificate {
	return &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign,
	}
}

func NewCA(t *testing.T, name string) Authority {
	t.Helper()
	return Sign(t, CaTemplate(name), nil, nil)
}

func (a Authority) Intermediate(t *testing.T, name string) Authority {
	t.Helper()
	return Sign(t, CaTemplate(name), a.Cert, a.key)
}

// Leaf issues a server certificate, with the chain that a server sends.
func (a Authority) Leaf(t *testing.T, host string, chain ...Authority) tls.Certificate {
	t.Helper()
	return a.LeafUntil(t, host, CertsUntil, chain...)
}

func (a Authority) LeafUntil(t *testing.T, host string, until time.Time, chain ...Authority) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{Subject: pkix.Name{CommonName: host}, NotAfter: until, KeyUsage: x509.KeyUsageDigitalSignature}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	l := Sign(t, template, a.Cert, a.key)
	c := tls.Certificate{Certificate: [][]byte{l.Cert.Raw}, PrivateKey: l.key}
	for _, link := range chain {
		c.Certificate = append(c.Certificate, link.Cert.Raw)
	}
	return c
}

// PEM is the PEM text of certificates.
func PEM(t *testing.T, certs ...*x509.Certificate) string {
	t.Helper()
	var text bytes.Buffer
	for _, cert := range certs {
		if err := pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}); err != nil {
			t.Fatal(err)
		}
	}
	return text.String()
}

func ServerConfig(cert tls.Certificate) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{cert}}
}

// Write writes a file, and its directory.
func Write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
