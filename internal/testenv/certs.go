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

var (
	certsFrom = time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC) // before the clock of synctest begins

	// CertsUntil is when certificates end that say nothing else.
	CertsUntil = time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)
)

// Authority issues certificates.
type Authority struct {
	Cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// Sign issues a certificate for a new key. template takes its serial number and its
// time; without a parent it signs itself.
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

// CATemplate is that of a certificate authority.
func CATemplate(name string) *x509.Certificate {
	return &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign,
	}
}

// NewCA makes an authority that signs itself.
func NewCA(t *testing.T, name string) Authority {
	t.Helper()
	return Sign(t, CATemplate(name), nil, nil)
}

// Intermediate makes an authority that a vouches for.
func (a Authority) Intermediate(t *testing.T, name string) Authority {
	t.Helper()
	return Sign(t, CATemplate(name), a.Cert, a.key)
}

// Leaf issues a server certificate, with the chain that a server sends.
func (a Authority) Leaf(t *testing.T, host string, chain ...Authority) tls.Certificate {
	t.Helper()
	return a.LeafUntil(t, host, CertsUntil, chain...)
}

// LeafUntil is Leaf for a certificate that ends at until.
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

// ServerConfig is that of a server that shows cert.
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
