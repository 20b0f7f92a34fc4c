package proxy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"time"
)

// certificateLife outlives any process; nobody can verify the certificate
// anyway, and one that expires would only break clients that look at dates.
const certificateLife = 10 * 365 * 24 * time.Hour

// offeredTLS is the configuration for clients that ask for TLS, with what certificate
// returns, or a certificate of its own where that is nil. Session tickets are off, as
// in PostgreSQL.
func offeredTLS(certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error), now time.Time) (*tls.Config, error) {
	cfg := &tls.Config{
		GetCertificate:         certificate,
		MinVersion:             tls.VersionTLS12,
		NextProtos:             []string{alpnProtocol},
		SessionTicketsDisabled: true,
	}
	if certificate == nil {
		own, err := ownCertificate(now)
		if err != nil {
			return nil, err
		}
		cfg.Certificates = []tls.Certificate{own}
	}
	return cfg, nil
}

// leafOf is the certificate that cert shows first.
func leafOf(cert *tls.Certificate) (*x509.Certificate, error) {
	if cert.Leaf != nil {
		return cert.Leaf, nil
	}
	if len(cert.Certificate) == 0 {
		return nil, errors.New("a listener's certificate without a certificate")
	}
	return x509.ParseCertificate(cert.Certificate[0])
}

// clientTLS is offeredTLS with a certificate of its own.
func clientTLS(now time.Time) (*tls.Config, error) { return offeredTLS(nil, now) }

// ownCertificate makes a certificate that nobody can verify, whose key never leaves
// memory.
func ownCertificate(now time.Time) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("making the key of the listener's certificate: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()),
		Subject:      pkix.Name{CommonName: "pgkeyless"},
		NotBefore:    now.Add(-24 * time.Hour),
		NotAfter:     now.Add(certificateLife),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:     []string{"localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("making the listener's certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
