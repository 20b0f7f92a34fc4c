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
	"github.com/pgkeyless/pgkeyless/internal/testenv"
)

const newRegionHost = "o.c1.mx-central-1.rds.amazonaws.com"

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
	web, region := testenv.NewCA(t, "web"), testenv.NewCA(t, "region")
	sub := region.Intermediate(t, "sub")
	old := testenv.CATemplate("old")
	old.NotAfter = time.Now().Add(-time.Hour)
	bundle := testenv.PEM(t, sub.Cert, testenv.Sign(t, old, nil, nil).Cert, region.Cert)

	var paths []string
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		paths = append(paths, r.Host+r.URL.Path)
		io.WriteString(w, bundle)
	}))
	server.TLS = testenv.ServerConfig(web.Leaf(t, "truststore.pki.rds.amazonaws.com"))
	server.StartTLS()
	defer server.Close()
	pool := x509.NewCertPool()
	pool.AddCert(web.Cert)
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
		},
	}
	defer transport.CloseIdleConnections()

	dir := filepath.Join(t.TempDir(), "deep", "cache")
	cfg := RootsConfig{HTTP: &http.Client{Transport: transport}, CacheDir: dir}
	roots := trusting(t, cfg, nil, nil)
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

	if ending := roots.Expiring(testenv.CertsUntil, time.Hour); len(ending) != 1 || !ending[0].Equal(region.Cert) {
		t.Errorf("%d roots end with the region's, want it alone", len(ending))
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

func TestTrustStoreMustProveItself(t *testing.T) {
	region := testenv.NewCA(t, "region")
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, testenv.PEM(t, region.Cert))
	}))
	server.TLS = testenv.ServerConfig(testenv.NewCA(t, "impostor").Leaf(t, "truststore.pki.rds.amazonaws.com"))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	transport := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
	}}
	defer transport.CloseIdleConnections()
	roots := trusting(t, RootsConfig{HTTP: &http.Client{Transport: transport}}, nil, nil)
	if roots.Refresh(t.Context(), endpoint(t, newRegionHost), refused(t, region, newRegionHost)) == nil {
		t.Error("roots from a server that the system's roots do not vouch for")
	}
}

// trip answers HTTP requests without a network.
type trip func(*http.Request) (*http.Response, error)

func (f trip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func respond(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
}

func TestTrustStoreOfEachPartition(t *testing.T) {
	region := testenv.NewCA(t, "region")
	for _, tc := range []struct{ host, url string }{
		{"o.cluster-c1.il-central-1.rds.amazonaws.com", "https://truststore.pki.rds.amazonaws.com/il-central-1/il-central-1-bundle.pem"},
		{"o.c1.us-gov-east-1.rds.amazonaws.com", "https://truststore.pki.us-gov-west-1.rds.amazonaws.com/us-gov-east-1/us-gov-east-1-bundle.pem"},
		{"o.c1.rds.us-gov-west-1.amazonaws.com", "https://truststore.pki.us-gov-west-1.rds.amazonaws.com/us-gov-west-1/us-gov-west-1-bundle.pem"},
		{"o.c1.rds.cn-northwest-1.amazonaws.com.cn", "https://rds-truststore.s3.cn-north-1.amazonaws.com.cn/cn-northwest-1/cn-northwest-1-bundle.pem"},
	} {
		var got string
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
	region := testenv.NewCA(t, "region")
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
	region, stranger := testenv.NewCA(t, "region"), testenv.NewCA(t, "stranger")
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
		region := testenv.NewCA(t, "region")
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
		region := testenv.NewCA(t, "region")
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
		if roots.Refresh(t.Context(), endpoint(t, newRegionHost), refused(t, testenv.NewCA(t, "region"), newRegionHost)) == nil {
			t.Error("refreshed")
		}
		if took := time.Since(began); took != fetchTimeout {
			t.Errorf("a silent trust store was waited for %v, want %v", took, fetchTimeout)
		}
	})
}

func TestBadCacheIsIgnored(t *testing.T) {
	region := testenv.NewCA(t, "region")
	e := endpoint(t, newRegionHost)
	for _, tc := range []struct {
		name, text string
		mode       os.FileMode
		trust      bool
	}{
		{"good", testenv.PEM(t, region.Cert), 0o600, true},
		{"readable by others", testenv.PEM(t, region.Cert), 0o644, true},
		{"writable by others", testenv.PEM(t, region.Cert), 0o666, false},
		{"garbage", "\x00\x01", 0o600, false},
		{"empty", "", 0o600, false},
		{"cut", testenv.PEM(t, region.Cert)[:200], 0o600, false},
	} {
		if tc.mode == 0o666 && runtime.GOOS == "windows" {
			t.Logf("%s: not tried, Windows has no such modes", tc.name)
			continue
		}
		dir := t.TempDir()
		path := filepath.Join(dir, "mx-central-1-bundle.pem")
		testenv.Write(t, path, tc.text)
		if err := os.Chmod(path, tc.mode); err != nil {
			t.Fatal(err)
		}
		roots := trusting(t, RootsConfig{CacheDir: dir, HTTP: &http.Client{Transport: trip(func(*http.Request) (*http.Response, error) {
			return respond(200, testenv.PEM(t, region.Cert)), nil
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
		if text, err := os.ReadFile(path); err != nil || string(text) != testenv.PEM(t, region.Cert) {
			t.Errorf("%s: the cache was not mended: %v", tc.name, err)
		}
	}
}

func TestUnwritableCacheDoesNotHarm(t *testing.T) {
	region := testenv.NewCA(t, "region")
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
