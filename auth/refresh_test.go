package auth

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/credentials"
	"github.com/pgkeyless/pgkeyless/internal/testenv"
)

const newRegionHost = "o.c1.mx-central-1.rds.amazonaws.com"

// regionRoot is an authority that is named as RDS names its own.
func regionRoot(t *testing.T, region string) testenv.Authority {
	t.Helper()
	template := testenv.CATemplate("Amazon RDS " + region + " Root CA RSA2048 G1")
	template.Subject.Organization = []string{rdsOwner}
	return testenv.Sign(t, template, nil, nil)
}

// refused is the error that crypto/tls gives for a certificate of an authority
// nobody knows, made without a handshake to serve inside bubbles.
func refused(t *testing.T, ca testenv.Authority, host string) error {
	t.Helper()
	cert, err := x509.ParseCertificate(ca.Leaf(t, host).Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	_, err = cert.Verify(x509.VerifyOptions{Roots: x509.NewCertPool()})
	if !isType[x509.UnknownAuthorityError](err) {
		t.Fatalf("verification: %v; want an unknown authority", err)
	}
	return fmt.Errorf("handshake: %w", &tls.CertificateVerificationError{
		UnverifiedCertificates: []*x509.Certificate{cert}, Err: err,
	})
}

func TestNewRegionsRootsAreFetchedAndKept(t *testing.T) {
	web, region := testenv.NewCA(t, "web"), regionRoot(t, "mx-central-1")
	sub := region.Intermediate(t, "sub")
	old := testenv.CATemplate("Amazon RDS mx-central-1 Root CA RSA4096 G1")
	old.Subject.Organization = []string{rdsOwner}
	old.NotAfter = time.Now().Add(-time.Hour)
	foreign, neighbour := testenv.NewCA(t, "Amazon RDS mx-central-1 Root CA RSA2048 G1"), regionRoot(t, "us-east-1")
	bundle := testenv.PEM(t, sub.Cert, testenv.Sign(t, old, nil, nil).Cert, foreign.Cert, neighbour.Cert, testenv.NewCA(t, "any").Cert, region.Cert)

	var paths []string
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		paths = append(paths, r.Host+r.URL.Path)
		io.WriteString(w, bundle)
	}))
	server.TLS = testenv.ServerConfig(web.Leaf(t, "truststore.pki.rds.amazonaws.com"))
	server.StartTLS()
	defer server.Close()
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
		},
	}
	defer transport.CloseIdleConnections()

	dir := filepath.Join(t.TempDir(), "deep", "cache")
	cfg := RootsConfig{HTTP: &http.Client{Transport: transport}, CacheDir: dir}
	roots := trusting(t, cfg, nil, []testenv.Authority{web})
	database := testenv.ServerConfig(sub.Leaf(t, newRegionHost, sub))
	e := endpoint(t, newRegionHost)
	cause := handshake(t, roots.TLSConfig(e), database)
	if roots.Refresh(t.Context(), e, cause) != nil {
		t.Fatalf("not refreshed after %v", cause)
	}
	if err := handshake(t, roots.TLSConfig(e), database); err != nil {
		t.Errorf("after the refresh: %v", err)
	}
	if want := []string{"truststore.pki.rds.amazonaws.com/mx-central-1/mx-central-1-bundle.pem"}; !slices.Equal(paths, want) {
		t.Errorf("requests %v, want %v", paths, want)
	}

	if ending := roots.Expiring(testenv.CertsUntil, time.Hour); len(ending) != 2 || !slices.ContainsFunc(ending, region.Cert.Equal) {
		t.Errorf("%d roots end with the region's, want it and that of the trust store", len(ending))
	}

	// The region's roots vouch for that region only, and for RDS kinds only.
	for _, host := range []string{"o.c1.us-east-1.rds.amazonaws.com", "o.proxy-c1.mx-central-1.rds.amazonaws.com", "db.example.com"} {
		err := handshake(t, roots.TLSConfig(endpoint(t, host)), testenv.ServerConfig(region.Leaf(t, host)))
		if !isType[x509.UnknownAuthorityError](err) {
			t.Errorf("%s with a root of mx-central-1: %v; want an unknown authority", host, err)
		}
	}

	// A restart finds them in the cache, without intermediates and expired ones.
	path := filepath.Join(dir, "mx-central-1-bundle.pem")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != testenv.PEM(t, region.Cert) {
		t.Error("the cache holds other certificates than the root")
	}
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("cache file: %v, %v; want mode 0600", info.Mode(), err)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("cache directory: %v, %v; want one file", files, err)
	}
	restarted := trusting(t, RootsConfig{CacheDir: dir}, nil, nil)
	if err := handshake(t, restarted.TLSConfig(e), database); err != nil {
		t.Errorf("after a restart: %v", err)
	}
}

// An authority that the machine trusts, as that of a network that inspects TLS, may
// not add to the roots of RDS.
func TestTrustStoreMustProveItself(t *testing.T) {
	region, inspector, amazon := regionRoot(t, "mx-central-1"), testenv.NewCA(t, "inspector"), testenv.NewCA(t, "amazon")
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, testenv.PEM(t, region.Cert))
	}))
	server.TLS = testenv.ServerConfig(inspector.Leaf(t, "truststore.pki.rds.amazonaws.com"))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	trusted := x509.NewCertPool()
	trusted.AddCert(inspector.Cert)
	plain := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted}, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
	}}
	defer plain.CloseIdleConnections()
	for _, transport := range []http.RoundTripper{plain, credentials.Transport{Transport: plain}} {
		dir := t.TempDir()
		roots := trusting(t, RootsConfig{HTTP: &http.Client{Transport: transport}, CacheDir: dir}, nil, []testenv.Authority{amazon})
		err := roots.Refresh(t.Context(), endpoint(t, newRegionHost), refused(t, region, newRegionHost))
		if !errors.Is(err, causes.RootsInspected) || !strings.Contains(causes.Hint(err), "ca-file") ||
			!strings.Contains(causes.Hint(err), "https://truststore.pki.rds.amazonaws.com/mx-central-1/mx-central-1-bundle.pem") {
			t.Errorf("%T: %v (hint %q); want roots of Amazon's own server alone", transport, err, causes.Hint(err))
		}
		if kept, err := os.ReadDir(dir); err != nil || len(kept) > 0 {
			t.Errorf("%T: kept %v, %v", transport, kept, err)
		}
	}
}

// A root of one region is none for a database in another, though both are embedded.
func TestEndpointTrustsTheRootsOfItsRegion(t *testing.T) {
	here, there := regionRoot(t, "eu-central-1"), regionRoot(t, "us-east-1")
	preview := testenv.CATemplate("Amazon RDS Preview us-east-1 Root CA ECC384 G1")
	early := testenv.Sign(t, preview, nil, nil)
	roots := trusting(t, RootsConfig{}, []testenv.Authority{here, there, early}, nil)
	for _, tc := range []struct {
		host, region string
		ca           testenv.Authority
		trust        bool
	}{
		{"o.c1.eu-central-1.rds.amazonaws.com", "", here, true},
		{"o.c1.eu-central-1.rds.amazonaws.com", "", there, false},
		{"o.c1.us-east-1.rds.amazonaws.com", "", there, true},
		{"o.c1.us-east-1.rds-preview.amazonaws.com", "", early, true},
		{"o.c1.eu-central-1.rds.amazonaws.com", "", early, false},
		{"o.global-c1.global.rds.amazonaws.com", "", there, true}, // its name holds no region
		{"db.example.com", "eu-central-1", here, true},
		{"db.example.com", "eu-central-1", there, false},
		{"db.example.com", "", there, true},
	} {
		e := endpoint(t, tc.host)
		if tc.region != "" {
			e = e.InRegion(tc.region)
		}
		err := handshake(t, roots.TLSConfig(e), testenv.ServerConfig(tc.ca.Leaf(t, tc.host)))
		if (err == nil) != tc.trust {
			t.Errorf("%s (%s) with a certificate of %s: %v; want trust %t", tc.host, tc.region, tc.ca.Cert.Subject.CommonName, err, tc.trust)
		}
	}
}

// What was fetched is asked for again after a while, by a process that lives so long
// and by one that finds it in the cache.
func TestFetchedRootsExpire(t *testing.T) {
	region := regionRoot(t, "mx-central-1")
	e, cause := endpoint(t, newRegionHost), refused(t, region, newRegionHost)
	chain := refusedChain(cause)
	dir := t.TempDir()
	fetches := 0
	cfg := RootsConfig{CacheDir: dir, HTTP: &http.Client{Transport: trip(func(*http.Request) (*http.Response, error) {
		fetches++
		return respond(200, testenv.PEM(t, region.Cert)), nil
	})}}
	synctest.Test(t, func(t *testing.T) {
		living := trusting(t, RootsConfig{HTTP: cfg.HTTP}, nil, nil)
		if err := living.Refresh(t.Context(), e, cause); err != nil || !verifies(chain, living.pool(e)) {
			t.Fatalf("not refreshed: %v", err)
		}
		time.Sleep(bundleLife + time.Second)
		if verifies(chain, living.pool(e)) {
			t.Error("a process trusts what it fetched for more than 30 days")
		}
		if err := living.Refresh(t.Context(), e, cause); err != nil || fetches != 2 {
			t.Errorf("refreshed with %v after %d fetches, want 2", err, fetches)
		}
	})
	if err := trusting(t, cfg, nil, nil).Refresh(t.Context(), e, cause); err != nil {
		t.Fatal(err)
	}
	for age, trust := range map[time.Duration]bool{bundleLife - time.Hour: true, bundleLife + time.Hour: false} {
		then := time.Now().Add(-age)
		if err := os.Chtimes(filepath.Join(dir, "mx-central-1-bundle.pem"), then, then); err != nil {
			t.Fatal(err)
		}
		if got := verifies(chain, trusting(t, RootsConfig{CacheDir: dir}, nil, nil).pool(e)); got != trust {
			t.Errorf("a cache of %v: trusted %v, want %v", age, got, trust)
		}
	}
}

// trip answers HTTP requests without a network.
type trip func(*http.Request) (*http.Response, error)

func (f trip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func respond(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
}

func TestTrustStoreOfEachPartition(t *testing.T) {
	for _, tc := range []struct{ host, url string }{
		{"o.cluster-c1.il-central-1.rds.amazonaws.com", "https://truststore.pki.rds.amazonaws.com/il-central-1/il-central-1-bundle.pem"},
		{"o.c1.us-gov-east-1.rds.amazonaws.com", "https://truststore.pki.us-gov-west-1.rds.amazonaws.com/us-gov-east-1/us-gov-east-1-bundle.pem"},
		{"o.c1.rds.us-gov-west-1.amazonaws.com", "https://truststore.pki.us-gov-west-1.rds.amazonaws.com/us-gov-west-1/us-gov-west-1-bundle.pem"},
		{"o.c1.rds.cn-northwest-1.amazonaws.com.cn", "https://rds-truststore.s3.cn-north-1.amazonaws.com.cn/cn-northwest-1/cn-northwest-1-bundle.pem"},
	} {
		var got string
		region := regionRoot(t, endpoint(t, tc.host).Region)
		roots := trusting(t, RootsConfig{HTTP: &http.Client{Transport: trip(func(r *http.Request) (*http.Response, error) {
			got = r.URL.String()
			return respond(200, testenv.PEM(t, region.Cert)), nil
		})}}, nil, nil)
		if roots.Refresh(t.Context(), endpoint(t, tc.host), refused(t, region, tc.host)) != nil || got != tc.url {
			t.Errorf("%s: fetched %q, want %q", tc.host, got, tc.url)
		}
	}
}

func TestNothingIsFetchedWithoutNeed(t *testing.T) {
	region := regionRoot(t, "mx-central-1")
	unknown := refused(t, region, newRegionHost)
	e := endpoint(t, newRegionHost)
	odd := e
	odd.Region = "../../etc"
	for _, tc := range []struct {
		name  string
		e     Endpoint
		cause error
	}{
		{"no error", e, nil},
		{"other error", e, errors.New("connection reset")},
		{"wrong name", e, x509.HostnameError{}},
		{"no certificate in the error", e, x509.UnknownAuthorityError{}},
		{"RDS Proxy", endpoint(t, "o.proxy-c1.mx-central-1.rds.amazonaws.com"), unknown},
		{"DSQL", endpoint(t, "o.dsql.mx-central-1.on.aws"), unknown},
		{"CNAME", endpoint(t, "db.example.com").InRegion("mx-central-1"), unknown},
		{"no region", endpoint(t, "o.global-c1.global.rds.amazonaws.com"), unknown},
		{"partition without a known trust store", endpoint(t, "o.c1.eusc-de-east-1.rds.amazonaws.eu"), unknown},
		{"odd region", odd, unknown},
	} {
		roots := trusting(t, RootsConfig{HTTP: &http.Client{Transport: trip(func(r *http.Request) (*http.Response, error) {
			t.Errorf("%s: fetched %s", tc.name, r.URL)
			return respond(200, testenv.PEM(t, region.Cert)), nil
		})}}, nil, nil)
		if roots.Refresh(t.Context(), tc.e, tc.cause) == nil {
			t.Errorf("%s: refreshed", tc.name)
		}
	}
	if trusting(t, RootsConfig{}, nil, nil).Refresh(t.Context(), e, unknown) == nil {
		t.Error("refreshed without an HTTP client")
	}
}

func TestFailedFetchIsRepeatedAfterAMinute(t *testing.T) {
	region, stranger := regionRoot(t, "mx-central-1"), regionRoot(t, "mx-central-1")
	big := testenv.PEM(t, region.Cert) + strings.Repeat("#", maxBundle)
	lone := testenv.Sign(t, &x509.Certificate{Subject: pkix.Name{CommonName: newRegionHost}, DNSNames: []string{newRegionHost}}, nil, nil)
	redirect := respond(302, "")
	redirect.Header.Set("Location", "http://example.com/bundle.pem")
	for _, tc := range []struct {
		name     string
		response *http.Response // nil: no connection
		wait     time.Duration
	}{
		{"no connection", nil, fetchAfterFail},
		{"not found", respond(404, testenv.PEM(t, region.Cert)), fetchAfterFail},
		{"redirect", redirect, fetchAfterFail},
		{"too large", respond(200, big), fetchAfterFail},
		{"a web page", respond(200, "<html>please log in</html>"), fetchAfterFail},
		{"no roots", respond(200, testenv.PEM(t, region.Intermediate(t, "sub").Cert)), fetchAfterFail},
		{"a namesake of its issuer", respond(200, testenv.PEM(t, region.Intermediate(t, "region").Cert)), fetchAfterFail},
		{"a server that signed itself", respond(200, testenv.PEM(t, lone.Cert)), fetchAfterFail},
		{"other roots", respond(200, testenv.PEM(t, stranger.Cert)), fetchAgain},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var requests int
				roots := trusting(t, RootsConfig{HTTP: &http.Client{Transport: trip(func(*http.Request) (*http.Response, error) {
					if requests++; requests > 1 {
						return respond(200, testenv.PEM(t, region.Cert)), nil
					}
					if tc.response == nil {
						return nil, errors.New("no route to host")
					}
					return tc.response, nil
				})}}, nil, nil)
				e, cause := endpoint(t, newRegionHost), refused(t, region, newRegionHost)
				explained := func() bool {
					failed := roots.Refresh(t.Context(), e, cause)
					return errors.Is(failed, causes.RootsUnreachable) &&
						strings.Contains(causes.Hint(failed), trustStore(e.Region)) && strings.Contains(causes.Detail(failed), e.Region)
				}
				// A bundle that came and did not help is no failure to explain.
				if want := tc.wait == fetchAfterFail; explained() != want {
					t.Fatalf("refreshed, or explained %v, want %v", !want, want)
				}
				time.Sleep(tc.wait - time.Second)
				if want := tc.wait == fetchAfterFail; explained() != want || requests != 1 {
					t.Errorf("%d requests within %v, want 1, and explained: %v", requests, tc.wait, want)
				}
				time.Sleep(time.Second)
				if roots.Refresh(t.Context(), e, cause) != nil || requests != 2 {
					t.Errorf("%d requests after %v, want 2 and success", requests, tc.wait)
				}
			})
		})
	}
}

func TestManyRefusedLoginsFetchOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		region := regionRoot(t, "mx-central-1")
		var requests atomic.Int64
		roots := trusting(t, RootsConfig{HTTP: &http.Client{Transport: trip(func(*http.Request) (*http.Response, error) {
			requests.Add(1)
			time.Sleep(time.Second)
			return respond(200, testenv.PEM(t, region.Cert)), nil
		})}}, nil, nil)
		e, cause := endpoint(t, newRegionHost), refused(t, region, newRegionHost)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if roots.Refresh(t.Context(), e, cause) != nil {
					t.Error("not refreshed")
				}
				roots.TLSConfig(e)
			})
		}
		wg.Wait()
		// And one that failed before, but asks only now.
		if roots.Refresh(t.Context(), e, cause) != nil || requests.Load() != 1 {
			t.Errorf("%d requests, want 1", requests.Load())
		}
	})
}

func TestClientThatLeavesDoesNotSpoilTheFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		region := regionRoot(t, "mx-central-1")
		var requests atomic.Int64
		roots := trusting(t, RootsConfig{HTTP: &http.Client{Transport: trip(func(r *http.Request) (*http.Response, error) {
			requests.Add(1)
			select {
			case <-r.Context().Done():
				return nil, r.Context().Err()
			case <-time.After(5 * time.Second):
				return respond(200, testenv.PEM(t, region.Cert)), nil
			}
		})}}, nil, nil)
		e, cause := endpoint(t, newRegionHost), refused(t, region, newRegionHost)
		leaving, leave := context.WithCancel(t.Context())
		impatient, end := context.WithTimeout(t.Context(), 2*time.Second)
		defer end()
		var wg sync.WaitGroup
		wg.Go(func() {
			if roots.Refresh(leaving, e, cause) == nil {
				t.Error("refreshed for the client that left")
			}
		})
		synctest.Wait()
		wg.Go(func() {
			if roots.Refresh(impatient, e, cause) == nil {
				t.Error("refreshed for the impatient client")
			}
		})
		wg.Go(func() {
			time.Sleep(time.Second)
			leave()
		})
		wg.Go(func() {
			time.Sleep(time.Second / 2)
			if roots.Refresh(t.Context(), e, cause) != nil {
				t.Error("not refreshed for the one that stayed")
			}
		})
		wg.Wait()
		if got := requests.Load(); got < 2 || got > 3 {
			t.Errorf("%d requests, want one for each that led: 2 or 3", got)
		}
	})
}

func TestFetchEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		roots := trusting(t, RootsConfig{HTTP: &http.Client{Transport: trip(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})}}, nil, nil)
		began := time.Now()
		if roots.Refresh(t.Context(), endpoint(t, newRegionHost), refused(t, regionRoot(t, "mx-central-1"), newRegionHost)) == nil {
			t.Error("refreshed")
		}
		if took := time.Since(began); took != fetchTimeout {
			t.Errorf("a silent trust store was waited for %v, want %v", took, fetchTimeout)
		}
	})
}

func TestBadCacheIsIgnored(t *testing.T) {
	region := regionRoot(t, "mx-central-1")
	good := testenv.PEM(t, region.Cert)
	e := endpoint(t, newRegionHost)
	mode := func(mode os.FileMode) func(string) error {
		return func(path string) error { return os.Chmod(path, mode) }
	}
	for _, tc := range []struct {
		name, text string
		change     func(path string) error
		trust      bool
		unix, root bool // where it can be tried
		stays      bool // nothing is written either
	}{
		{name: "good", text: good, trust: true},
		{name: "readable by others", text: good, change: mode(0o644), trust: true},
		{name: "writable by others", text: good, change: mode(0o666), unix: true},
		{name: "another user's", text: good, change: func(path string) error { return os.Chown(path, 65534, 65534) }, root: true},
		{name: "another user's directory", text: good, change: func(path string) error { return os.Chown(filepath.Dir(path), 65534, 65534) }, root: true, stays: true},
		{name: "a directory for everybody", text: good, change: func(path string) error { return os.Chmod(filepath.Dir(path), 0o777) }, unix: true, stays: true},
		{name: "a link", text: good, change: func(path string) error {
			return errors.Join(os.Rename(path, path+"2"), os.Symlink(path+"2", path))
		}, unix: true},
		{name: "garbage", text: "\x00\x01"},
		{name: "empty"},
		{name: "cut", text: good[:200]},
		{name: "of another region", text: testenv.PEM(t, regionRoot(t, "us-east-1").Cert)},
		{name: "of no region", text: testenv.PEM(t, testenv.NewCA(t, "any").Cert)},
	} {
		if tc.unix && runtime.GOOS == "windows" || tc.root && os.Geteuid() != 0 {
			t.Logf("%s: not tried, this system or user cannot", tc.name)
			continue
		}
		dir := filepath.Join(t.TempDir(), "cache")
		path := filepath.Join(dir, "mx-central-1-bundle.pem")
		testenv.Write(t, path, tc.text)
		if tc.change != nil {
			if err := tc.change(path); err != nil {
				t.Fatal(err)
			}
		}
		roots := trusting(t, RootsConfig{CacheDir: dir, HTTP: &http.Client{Transport: trip(func(*http.Request) (*http.Response, error) {
			return respond(200, good), nil
		})}}, nil, nil)
		server := testenv.ServerConfig(region.Leaf(t, newRegionHost))
		cause := handshake(t, roots.TLSConfig(e), server)
		if (cause == nil) != tc.trust {
			t.Errorf("%s: handshake %v, want trust %t", tc.name, cause, tc.trust)
		}
		if tc.trust {
			continue
		}
		if roots.Refresh(t.Context(), e, cause) != nil {
			t.Errorf("%s: not fetched again", tc.name)
		}
		if text, err := os.ReadFile(path); err != nil || !tc.stays && string(text) != good {
			t.Errorf("%s: the cache was not fixed: %v", tc.name, err)
		}
	}
}

func TestUnwritableCacheDoesNotHarm(t *testing.T) {
	region := regionRoot(t, "mx-central-1")
	notADir := filepath.Join(t.TempDir(), "file")
	testenv.Write(t, notADir, "")
	roots := trusting(t, RootsConfig{CacheDir: notADir, HTTP: &http.Client{Transport: trip(func(*http.Request) (*http.Response, error) {
		return respond(200, testenv.PEM(t, region.Cert)), nil
	})}}, nil, nil)
	if roots.Refresh(t.Context(), endpoint(t, newRegionHost), refused(t, region, newRegionHost)) != nil {
		t.Error("not refreshed")
	}
}

func TestDefaultCacheDir(t *testing.T) {
	if dir := DefaultCacheDir(); dir != "" && !strings.HasSuffix(dir, filepath.Join("pgkeyless", "rds-roots")) {
		t.Errorf("cache directory %q", dir)
	}
	for _, name := range []string{"HOME", "XDG_CACHE_HOME", "LocalAppData"} {
		t.Setenv(name, "")
	}
	if dir := DefaultCacheDir(); dir != "" {
		t.Errorf("cache directory %q without a home", dir)
	}
}
