package access

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/proxy"
)

// maxPEM bounds a file of certificates, or of a CRL.
const maxPEM = 16 << 20

// Certificates is a proxy.Proof by the certificate that a client shows inside TLS. It
// is safe for concurrent use.
type Certificates struct {
	cas  *watchedFile[*x509.CertPool]
	crls *watchedFile[[]*x509.RevocationList] // nil: no revocation is looked at
}

// NewCertificates reads the file of CAs that vouch for clients, and of CRLs, which may
// be "". Both are read again when they change. What is wrong is a causes.Misuse.
func NewCertificates(caFile, crlFile string, log *slog.Logger) (*Certificates, error) {
	c := new(Certificates)
	var err error
	if c.cas, err = newWatchedFile(caFile, maxPEM, log, func(text []byte) (*x509.CertPool, error) { return parsePool(text, caFile) }); err != nil {
		return nil, err
	}
	if crlFile != "" {
		if c.crls, err = newWatchedFile(crlFile, maxPEM, log, func(text []byte) ([]*x509.RevocationList, error) { return parseCRLs(text, crlFile) }); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Prove implements proxy.Proof. The identity is the first of the certificate's URI, DNS
// name and e-mail address, or its common name.
func (p *Certificates) Prove(_ context.Context, c *proxy.Claim) (identity string, err error) {
	if c.TLS == nil {
		return "", causes.NeedsTLS.New(nil, nil)
	}
	if len(c.TLS.PeerCertificates) == 0 {
		return "", causes.CertificateMissing.New(nil, nil)
	}
	chain, err := p.verify(c.TLS.PeerCertificates, time.Now())
	if err != nil {
		return "", causes.CertificateRefused.New(nil, err)
	}
	identity = identityOf(chain[0])
	if identity == "" {
		return "", causes.CertificateRefused.New(nil, errors.New("it names nobody"))
	}
	return identity, nil
}

// verify returns a chain from what a client has shown to a CA, none of it revoked.
func (p *Certificates) verify(shown []*x509.Certificate, now time.Time) ([]*x509.Certificate, error) {
	between := x509.NewCertPool()
	for _, c := range shown[1:] {
		between.AddCert(c)
	}
	chains, err := shown[0].Verify(x509.VerifyOptions{Roots: p.cas.now(), Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	if err != nil {
		return nil, err
	}
	if p.crls == nil {
		return chains[0], nil
	}
	for _, chain := range chains {
		if err = revoked(chain, p.crls.now(), now); err == nil {
			return chain, nil
		}
	}
	return nil, err
}

// revoked says which certificate of a chain a CRL lists. Only a CRL that the issuer in
// the chain has signed counts. One that has ended says nothing any more, so that its CA
// vouches for nobody.
func revoked(chain []*x509.Certificate, crls []*x509.RevocationList, now time.Time) error {
	for i, cert := range chain[:len(chain)-1] {
		issuer := chain[i+1]
		for _, crl := range crls {
			if string(crl.RawIssuer) != string(issuer.RawSubject) || crl.CheckSignatureFrom(issuer) != nil {
				continue
			}
			if !crl.NextUpdate.IsZero() && now.After(crl.NextUpdate) {
				return fmt.Errorf("the CRL of its CA expired on %s", crl.NextUpdate.UTC().Format(time.DateOnly))
			}
			for _, entry := range crl.RevokedCertificateEntries {
				if entry.SerialNumber.Cmp(cert.SerialNumber) == 0 {
					return fmt.Errorf("certificate %x was revoked on %s", cert.SerialNumber, entry.RevocationTime.UTC().Format(time.DateOnly))
				}
			}
		}
	}
	return nil
}

// identityOf is whom a certificate names.
func identityOf(c *x509.Certificate) string {
	switch {
	case len(c.URIs) > 0:
		return c.URIs[0].String()
	case len(c.DNSNames) > 0:
		return c.DNSNames[0]
	case len(c.EmailAddresses) > 0:
		return c.EmailAddresses[0]
	}
	return c.Subject.CommonName
}

func parsePool(text []byte, path string) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, causes.Misuse(path+" holds no certificate", "name a PEM file with the CA that signs the clients' certificates")
	}
	return pool, nil
}

func parseCRLs(text []byte, path string) ([]*x509.RevocationList, error) {
	var all []*x509.RevocationList
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "X509 CRL" {
			continue
		}
		crl, err := x509.ParseRevocationList(block.Bytes)
		if err != nil {
			return nil, causes.MisuseOf(fmt.Errorf("%s: %w", path, err), "name a PEM file with the CRLs of the clients' CA")
		}
		all = append(all, crl)
	}
	if len(all) == 0 {
		return nil, causes.Misuse(path+" holds no CRL", "name a PEM file with the CRLs of the clients' CA")
	}
	return all, nil
}
