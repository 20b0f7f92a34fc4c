package auth

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/credentials"
	"github.com/pgkeyless/pgkeyless/internal/ownfile"
	"github.com/pgkeyless/pgkeyless/internal/partition"
)

// When a region's bundle is fetched, and how much of it is read.
const (
	fetchTimeout   = 15 * time.Second // within a login's patience
	fetchAfterFail = time.Minute      // no request sooner than this after one that failed
	fetchAgain     = time.Hour        // nor after one that came but did not help
	maxBundle      = 1 << 20          // bytes; the global bundle has 165 kB, a region's has 5
)

// bundleLife is how long a fetched bundle is trusted, in memory and in the cache: AWS
// announces changes of its roots many months ahead.
const bundleLife = 30 * 24 * time.Hour

// bundle is what is known of a region's own roots.
type bundle struct {
	certs    []*x509.Certificate // fetched in this process or read from the cache
	until    time.Time           // when certs are no longer trusted
	nextTry  time.Time           // no fetch before
	failed   error               // the last fetch, when it failed
	fetching chan struct{}       // closed when the fetch under way ends; nil when none is
}

// Call Refresh after a handshake with e failed with cause. If an unknown authority is
// the reason and e's kind trusts the RDS roots, it fetches the bundle of e's region
// from AWS's trust store, and trusts its roots for that region for 30 days. A nil
// error means that the chain would now be accepted, so dialling again makes sense.
// causes.RootsUnreachable means that the bundle could not be fetched,
// causes.RootsInspected that another server than AWS's answered for the trust store,
// and any other error that no bundle could help.
//
// At most one request per region is under way; other callers wait for it, until
// ctx ends. A failed request is not repeated for a minute.
func (r *Roots) Refresh(ctx context.Context, e Endpoint, cause error) error {
	chain := refusedChain(cause)
	if len(chain) == 0 || !fetchable(e) {
		return errNoRefresh
	}
	for {
		r.mu.Lock()
		if verifies(chain, r.poolLocked(e)) { // somebody else's fetch has brought it
			r.mu.Unlock()
			return nil
		}
		b := r.bundleLocked(e.Region)
		if under := b.fetching; under != nil {
			r.mu.Unlock()
			select {
			case <-under:
				continue
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		if r.http == nil || time.Now().Before(b.nextTry) {
			failed := b.failed
			r.mu.Unlock()
			if failed != nil {
				return failed
			}
			return errNoRefresh
		}
		done := make(chan struct{})
		b.fetching = done
		r.mu.Unlock()

		certs, err := r.fetch(ctx, e.Region)

		r.mu.Lock()
		switch {
		case err == nil:
			b.certs, b.until, b.nextTry, b.failed = certs, time.Now().Add(bundleLife), time.Now().Add(fetchAgain), nil
			clear(r.pools)
		case ctx.Err() == nil: // a caller that left says nothing of the trust store
			b.nextTry = time.Now().Add(fetchAfterFail)
			b.failed = notRefreshed(e.Region, err)
		}
		b.fetching = nil
		close(done)
		r.mu.Unlock()
		if err != nil {
			r.log.Warn("RDS roots not fetched", "region", e.Region, "error", err)
			return notRefreshed(e.Region, err)
		}
		r.log.Info("RDS roots fetched", "region", e.Region, "roots", len(certs))
		r.store(e.Region, certs)
	}
}

// errNoRefresh: the certificate is not one that a region's bundle could vouch
// for, or the bundle is here and does not.
var errNoRefresh = errors.New("no further roots to trust")

// notRefreshed says that a region's roots were not to be had.
func notRefreshed(region string, err error) error {
	host := trustStore(region)
	why := causes.RootsUnreachable
	if len(refusedChain(err)) > 0 {
		why = causes.RootsInspected
	}
	err = fmt.Errorf("fetching the roots of %s from %s: %w", region, host, err)
	return why.New(causes.Facts{"region": region, "host": host, "url": bundleURL(region)}, err)
}

// refusedChain returns the certificates of a handshake that failed for want of
// an authority, leaf first; nil for any other error.
func refusedChain(cause error) []*x509.Certificate {
	unknown, ok := errors.AsType[x509.UnknownAuthorityError](cause)
	if !ok {
		return nil
	}
	if refused, ok := errors.AsType[*tls.CertificateVerificationError](cause); ok {
		return refused.UnverifiedCertificates
	}
	if unknown.Cert != nil {
		return []*x509.Certificate{unknown.Cert}
	}
	return nil
}

func verifies(chain []*x509.Certificate, roots *x509.CertPool) bool {
	intermediates := x509.NewCertPool()
	for _, cert := range chain[1:] {
		intermediates.AddCert(cert)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: intermediates})
	return err == nil
}

// fetchable says whether AWS publishes a bundle for e that is known to us. The
// region becomes part of a URL and of a file name, so its shape is checked.
func fetchable(e Endpoint) bool {
	return e.Kind.usesRDSRoots() && partition.IsRegion(e.Region) && trustStore(e.Region) != ""
}

// trustStore returns the host that serves a region's bundle, "" when unknown.
//
// Source: RDS user guide, UsingWithRDS.SSL.html, in the editions of
// docs.aws.amazon.com and docs.amazonaws.cn.
func trustStore(region string) string {
	switch partition.Of(region) {
	case "aws":
		return "truststore.pki.rds.amazonaws.com"
	case "aws-us-gov":
		return "truststore.pki.us-gov-west-1.rds.amazonaws.com"
	case "aws-cn":
		return "rds-truststore.s3.cn-north-1.amazonaws.com.cn"
	}
	return ""
}

// bundleURL is where a region's bundle is published.
func bundleURL(region string) string {
	return fmt.Sprintf("https://%s/%s/%[2]s-bundle.pem", trustStore(region), region)
}

// pinned is client for the trust store, which must prove itself by one of roots alone:
// whoever can answer for it adds a root of their own to those that databases are
// verified by. It connects as client does, through the same proxy. A Transport of a
// type that is not known here checks servers as it likes.
func pinned(client *http.Client, roots *x509.CertPool) *http.Client {
	c := *client
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	var plain *http.Transport
	switch t := c.Transport.(type) {
	case credentials.Transport:
		plain = t.Transport
	case *http.Transport:
		plain = t
	case nil:
		plain, _ = http.DefaultTransport.(*http.Transport)
	}
	if plain == nil {
		return &c
	}
	plain = plain.Clone()
	if plain.TLSClientConfig == nil {
		plain.TLSClientConfig = new(tls.Config)
	}
	plain.TLSClientConfig.RootCAs = roots
	plain.TLSClientConfig.InsecureSkipVerify = false
	plain.DialTLSContext = nil
	plain.DisableKeepAlives = true // one request in an hour at most
	c.Transport = plain
	return &c
}

// fetch returns the roots in a region's published bundle.
func (r *Roots) fetch(ctx context.Context, region string) ([]*x509.Certificate, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	url := bundleURL(region)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := pinned(r.http, poolOf(r.amazon)).Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET %s: status %d", url, response.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxBundle+1))
	if err != nil {
		return nil, fmt.Errorf("GET %s: %w", url, err)
	}
	if len(text) > maxBundle {
		return nil, fmt.Errorf("GET %s: more than %d bytes", url, maxBundle)
	}
	certs, err := parseBundle(text, region)
	if err != nil {
		return nil, fmt.Errorf("GET %s: %w", url, err)
	}
	return certs, nil
}

// parseBundle returns the roots of RDS in region that are in a bundle.
func parseBundle(text []byte, region string) ([]*x509.Certificate, error) {
	certs, err := parseCertificates(text)
	if err != nil {
		return nil, err
	}
	certs = slices.DeleteFunc(onlyRoots(certs, time.Now()), func(c *x509.Certificate) bool {
		return regionOf(c) != region || !slices.Equal(c.Subject.Organization, []string{rdsOwner})
	})
	if len(certs) == 0 {
		return nil, fmt.Errorf("no valid root certificates of RDS in %s in it", region)
	}
	return certs, nil
}

// DefaultCacheDir is where fetched bundles are kept for this user: "" when the
// system has no place for it, as in a container without HOME.
func DefaultCacheDir() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "pgkeyless", "rds-roots")
}

// bundleLocked returns the bundle of region, at first sight from the cache.
func (r *Roots) bundleLocked(region string) *bundle {
	if b, ok := r.regional[region]; ok {
		return b
	}
	b := &bundle{}
	r.regional[region] = b
	if r.cacheDir == "" {
		return b
	}
	certs, until, err := readCached(r.cachePath(region), region)
	switch {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		r.log.Warn("cached RDS roots ignored", "region", region, "error", err)
	case time.Now().After(until):
		r.log.Info("cached RDS roots are too old, and not trusted", "region", region, "since", until)
	default:
		b.certs, b.until = certs, until
	}
	return b
}

func (r *Roots) cachePath(region string) string {
	return filepath.Join(r.cacheDir, region+"-bundle.pem")
}

// readCached reads a cached bundle, and until when it is trusted. One that others could
// have written, or put there, is an error.
func readCached(path, region string) (certs []*x509.Certificate, until time.Time, err error) {
	f, err := ownfile.Open(path, 0o022)
	if err != nil {
		return nil, until, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, until, err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxBundle))
	if err != nil {
		return nil, until, err
	}
	if certs, err = parseBundle(text, region); err != nil {
		return nil, until, fmt.Errorf("%s: %w", path, err)
	}
	return certs, info.ModTime().Add(bundleLife), nil
}

// store caches a fetched bundle, whole or not at all.
func (r *Roots) store(region string, certs []*x509.Certificate) {
	if r.cacheDir == "" {
		return
	}
	if err := r.writeCache(region, certs); err != nil {
		r.log.Warn("RDS roots not cached", "region", region, "error", err)
	}
}

func (r *Roots) writeCache(region string, certs []*x509.Certificate) error {
	if err := os.MkdirAll(r.cacheDir, 0o700); err != nil {
		return err
	}
	if err := ownfile.CheckDir(r.cacheDir); err != nil {
		return err
	}
	var text bytes.Buffer
	for _, cert := range certs {
		if err := pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}); err != nil {
			return err
		}
	}
	return ownfile.Replace(r.cachePath(region), text.Bytes(), 0o600)
}
