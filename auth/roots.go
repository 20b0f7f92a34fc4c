package auth

import (
	"bytes"
	"cmp"
	"crypto/x509"
	_ "embed"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// The embedded roots, generated and dated; the two sets are never mixed for an
// endpoint of a known kind.
var (
	//go:embed roots-rds.pem
	rdsPEM []byte
	//go:embed roots-amazon.pem
	amazonPEM []byte
)

// RootsConfig says what is trusted beside the embedded roots. The zero value
// trusts nothing else and fetches nothing.
type RootsConfig struct {
	CAFiles  []string     // PEM files, trusted for endpoints of every kind
	HTTP     *http.Client // fetches bundles for Refresh, checking AWS by the Amazon Trust roots; nil: Refresh is off
	CacheDir string       // keeps fetched bundles over restarts; empty: not kept. See DefaultCacheDir
	Log      *slog.Logger // nil: no log
}

// Roots decides which authorities may sign for an endpoint.
type Roots struct {
	rds, amazon, extra []*x509.Certificate
	http               *http.Client
	cacheDir           string
	log                *slog.Logger

	mu       sync.Mutex
	regional map[string]*bundle // by region
	pools    map[poolKey]*x509.CertPool
}

type poolKey struct {
	rds, amazon bool
	region      string // whose RDS roots are in the pool; "" for all
	fetched     bool   // so is what was fetched for it
}

// rdsOwner is the organisation of all roots of RDS.
const rdsOwner = "Amazon Web Services, Inc."

// rdsRoot is the name of a root of RDS, which has signed the certificates of one region.
var rdsRoot = regexp.MustCompile(`^Amazon RDS (?:Preview )?([a-z0-9-]+) Root CA [A-Z]+[0-9]+ G[0-9]+$`)

// regionOf is the region that a root is for, "" where its name is not that of a root
// of RDS.
func regionOf(root *x509.Certificate) string {
	if m := rdsRoot.FindStringSubmatch(root.Subject.CommonName); m != nil {
		return m[1]
	}
	return ""
}

// Regions are those that the embedded RDS roots are for, by name.
func Regions() []string {
	roots, err := parseCertificates(rdsPEM)
	if err != nil { // they are tested
		return nil
	}
	var all []string
	for _, root := range roots {
		if region := regionOf(root); region != "" {
			all = append(all, region)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// NewRoots parses the embedded roots and reads the CA files. A file that cannot
// be read, or holds no certificate that is valid today, is a causes.Misuse.
func NewRoots(cfg RootsConfig) (*Roots, error) {
	r := &Roots{
		log:      cfg.Log,
		http:     cfg.HTTP,
		cacheDir: cfg.CacheDir,
		regional: make(map[string]*bundle),
		pools:    make(map[poolKey]*x509.CertPool),
	}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	var err error
	if r.rds, err = parseCertificates(rdsPEM); err != nil {
		return nil, fmt.Errorf("embedded RDS roots: %w", err)
	}
	if r.amazon, err = parseCertificates(amazonPEM); err != nil {
		return nil, fmt.Errorf("embedded Amazon Trust roots: %w", err)
	}
	for _, path := range cfg.CAFiles {
		certs, err := readCAFile(path, time.Now())
		if err != nil {
			return nil, causes.MisuseOf(fmt.Errorf("ca-file %s: %w", path, err), caFileHelpFor(err))
		}
		r.extra = append(r.extra, certs...)
	}
	return r, nil
}

// Expiring returns the trusted roots that expire before now+within, soonest first.
func (r *Roots) Expiring(now time.Time, within time.Duration) []*x509.Certificate {
	r.mu.Lock()
	defer r.mu.Unlock()
	sets := [][]*x509.Certificate{r.rds, r.amazon, r.extra}
	for _, b := range r.regional {
		sets = append(sets, b.certs)
	}
	var ending []*x509.Certificate
	for _, cert := range slices.Concat(sets...) {
		if cert.NotAfter.Before(now.Add(within)) && !slices.ContainsFunc(ending, cert.Equal) {
			ending = append(ending, cert)
		}
	}
	slices.SortFunc(ending, func(a, b *x509.Certificate) int { return a.NotAfter.Compare(b.NotAfter) })
	return ending
}

// pool returns the authorities for e: see the table in doc.go. It is never nil,
// which would mean the system's roots.
func (r *Roots) pool(e Endpoint) *x509.CertPool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.poolLocked(e)
}

func (r *Roots) poolLocked(e Endpoint) *x509.CertPool {
	key := poolKey{rds: e.Kind.usesRDSRoots() || e.Kind == KindOther, amazon: !e.Kind.usesRDSRoots() || e.Gateway}
	if key.rds {
		key.region, key.fetched = e.Region, fetchable(e)
	}
	if key.fetched {
		if b := r.bundleLocked(e.Region); len(b.certs) > 0 && time.Now().After(b.until) {
			b.certs = nil
			clear(r.pools)
		}
	}
	if p, ok := r.pools[key]; ok {
		return p
	}
	certs := slices.Clone(r.extra)
	if key.rds {
		for _, cert := range r.rds {
			if of := regionOf(cert); key.region == "" || of == "" || of == key.region {
				certs = append(certs, cert)
			}
		}
	}
	if key.amazon {
		certs = append(certs, r.amazon...)
	}
	if key.fetched {
		certs = append(certs, r.bundleLocked(key.region).certs...)
	}
	p := poolOf(certs)
	r.pools[key] = p
	return p
}

func poolOf(certs []*x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	for _, cert := range certs {
		p.AddCert(cert)
	}
	return p
}

const (
	caFileHelp = "ca-file takes certificates in PEM form (-----BEGIN CERTIFICATE-----); " +
		"`openssl x509 -inform der -in FILE` converts others"
	maxCAFile = 8 << 20 // bytes; a system's whole bundle has a quarter of a megabyte
)

// caFileHelpFor tells a file that is not there, or not ours to read, from one
// with something else in it.
func caFileHelpFor(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "check the path; a relative path starts in the directory where pgkeyless was started"
	case errors.Is(err, fs.ErrPermission):
		return "let the user who runs pgkeyless read the file and enter its directories"
	}
	return caFileHelp
}

func readCAFile(path string, now time.Time) ([]*x509.Certificate, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, withoutPath(err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxCAFile+1))
	if err != nil {
		return nil, withoutPath(err)
	}
	if len(text) > maxCAFile {
		return nil, fmt.Errorf("larger than %d MiB", maxCAFile>>20)
	}
	certs, err := parseCertificates(text)
	if err != nil {
		return nil, err
	}
	last := slices.MaxFunc(certs, func(a, b *x509.Certificate) int { return a.NotAfter.Compare(b.NotAfter) })
	if last.NotAfter.Before(now) {
		return nil, fmt.Errorf("its certificates have expired, the last on %s", last.NotAfter.Format(time.DateOnly))
	}
	return certs, nil
}

// withoutPath drops the path from a file error whose caller has named it.
func withoutPath(err error) error {
	if pathErr, ok := errors.AsType[*os.PathError](err); ok {
		return pathErr.Err
	}
	return err
}

// parseCertificates returns the certificates in PEM text, at least one. Other
// blocks, text between, and certificates that Go refuses are skipped: a large
// bundle may well have an odd one.
func parseCertificates(text []byte) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	var refused error
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			refused = cmp.Or(refused, err)
			continue
		}
		certs = append(certs, cert)
	}
	switch {
	case len(certs) > 0:
		return certs, nil
	case refused != nil:
		return nil, refused
	}
	return nil, errors.New("no certificates in it")
}

// onlyRoots keeps self-signed CA certificates that have not expired: bundles also
// hold intermediates, which servers send themselves.
func onlyRoots(certs []*x509.Certificate, now time.Time) []*x509.Certificate {
	return slices.DeleteFunc(certs, func(c *x509.Certificate) bool {
		return !c.IsCA || !c.BasicConstraintsValid || now.After(c.NotAfter) ||
			!bytes.Equal(c.RawSubject, c.RawIssuer) || c.CheckSignatureFrom(c) != nil
	})
}
