package localca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"time"
)

const (
	// life is that of the CA: people put it into trust stores by hand, so it should
	// outlast their machine. It is replaced when less than lastMonths are left.
	life       = 10 * 365 * 24 * time.Hour
	lastMonths = 60 * 24 * time.Hour
	// leafLife is that of a listener's certificate, of which a client needs only the
	// moment of its handshake. Half of it is kept in reserve for clocks that are off,
	// those of containers and virtual machines.
	leafLife = 24 * time.Hour
	// backdated is how far in the past certificates begin, for the same clocks.
	backdated = 24 * time.Hour
)

// The names and addresses that the CA may vouch for. A DNS constraint takes in the
// names beneath it.
//
// Source: RFC 5280, section 4.2.1.10; RFC 6761, section 6.3, for localhost.
var (
	permittedName      = "localhost"
	permittedAddresses = []*net.IPNet{
		{IP: net.IPv4(127, 0, 0, 0).To4(), Mask: net.CIDRMask(8, 32)},
		{IP: net.IPv6loopback, Mask: net.CIDRMask(128, 128)},
	}
)

// Authority is a CA and its key.
type Authority struct {
	Certificate *x509.Certificate
	key         crypto.Signer
}

// newAuthority makes a CA that is called for whom it is, USER@HOST: people find it by
// that in their trust stores.
func newAuthority(now time.Time, whose string) (*Authority, error) {
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          newSerial(),
		Subject:               pkix.Name{Organization: []string{"pgkeyless local CA"}, CommonName: "pgkeyless " + whose},
		NotBefore:             now.Add(-backdated),
		NotAfter:              now.Add(life),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true, // no CA beneath it
		KeyUsage:              x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},

		PermittedDNSDomainsCritical: true, // and so the whole extension
		PermittedDNSDomains:         []string{permittedName},
		PermittedIPRanges:           permittedAddresses,
		PermittedEmailAddresses:     []string{permittedName},
		PermittedURIDomains:         []string{permittedName},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("making a certificate authority: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	return &Authority{cert, key}, err
}

// usable reports whether a can go on vouching at now.
func (a *Authority) usable(now time.Time) bool {
	return !now.Before(a.Certificate.NotBefore) && now.Add(lastMonths).Before(a.Certificate.NotAfter)
}

// leaf makes a certificate for a listener that has key and goes by those names and
// addresses.
func (a *Authority) leaf(now time.Time, key crypto.Signer, names []string, addresses []net.IP) (*tls.Certificate, error) {
	template := &x509.Certificate{
		SerialNumber: newSerial(),
		Subject:      pkix.Name{CommonName: "pgkeyless"},
		NotBefore:    now.Add(-backdated),
		NotAfter:     now.Add(leafLife),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:     names,
		IPAddresses:  addresses,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.Certificate, key.Public(), a.key)
	if err != nil {
		return nil, fmt.Errorf("making the listener's certificate: %w", err)
	}
	parsed, err := x509.ParseCertificate(der)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: parsed}, err
}

func newKey() (crypto.Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	return key, nil
}

// newSerial is a number that no other certificate has: browsers refuse two of one
// issuer with the same.
func newSerial() *big.Int {
	n := make([]byte, 16)
	rand.Read(n)         // never fails
	n[0] = n[0]&0x7f | 1 // positive, and of full length
	return new(big.Int).SetBytes(n)
}
