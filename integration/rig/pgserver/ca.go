package pgserver

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"
)

// validity is how long certificates last; the demo may be left running.
const validity = 2 * 365 * 24 * time.Hour

// CA is a certificate authority for tests: a root, and an issuer beneath it
// that signs server certificates, as in RDS.
type CA struct {
	root, issuer *x509.Certificate
	issuerKey    *ecdsa.PrivateKey
}

// NewCA makes an authority with keys of its own. name is the common name of the
// root.
func NewCA(name string) (*CA, error) {
	rootKey, err := newKey()
	if err != nil {
		return nil, err
	}
	root, err := sign(authority(name), nil, rootKey, rootKey)
	if err != nil {
		return nil, err
	}
	ca := &CA{root: root}
	if ca.issuerKey, err = newKey(); err != nil {
		return nil, err
	}
	if ca.issuer, err = sign(authority(name+" issuer"), root, ca.issuerKey, rootKey); err != nil {
		return nil, err
	}
	return ca, nil
}

// PEM is the root certificate.
func (ca *CA) PEM() []byte { return certPEM(ca.root) }

// Issue makes a server certificate for host, as RDS would, and for the names in
// also: chain is the certificate and its issuer, both are PEM.
func (ca *CA) Issue(host string, also ...string) (chain, key []byte, err error) {
	return ca.issue(anHourAgo(), append([]string{host}, also...))
}

// IssueExpired is Issue for a certificate whose time is over.
func (ca *CA) IssueExpired(host string) (chain, key []byte, err error) {
	return ca.issue(anHourAgo().Add(-validity), []string{host})
}

// anHourAgo is when certificates begin: clocks differ.
func anHourAgo() time.Time { return time.Now().Add(-time.Hour) }

func (ca *CA) issue(from time.Time, hosts []string) (chain, key []byte, err error) {
	private, err := newKey()
	if err != nil {
		return nil, nil, err
	}
	cert, err := sign(&x509.Certificate{
		Subject:     pkix.Name{CommonName: hosts[0]},
		DNSNames:    hosts,
		NotBefore:   from,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, ca.issuer, private, ca.issuerKey)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, fmt.Errorf("encoding a key: %w", err)
	}
	return append(certPEM(cert), certPEM(ca.issuer)...), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

func authority(name string) *x509.Certificate {
	return &x509.Certificate{
		Subject:               pkix.Name{CommonName: name, Organization: []string{"pgkeyless tests"}},
		NotBefore:             anHourAgo(),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
}

// sign gives template a serial number and an end, and signs it for key's public
// half. A nil parent means self-signed.
func sign(template, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("making a serial number: %w", err)
	}
	template.SerialNumber = serial
	template.NotAfter = template.NotBefore.Add(validity)
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return nil, fmt.Errorf("signing a certificate for %s: %w", template.Subject.CommonName, err)
	}
	return x509.ParseCertificate(der)
}

func newKey() (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	return key, nil
}

func certPEM(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}
