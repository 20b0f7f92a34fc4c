package targets

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/credentials"
	"github.com/pgkeyless/pgkeyless/internal/testenv"
	"github.com/pgkeyless/pgkeyless/proxy"
)

func wireRoute(t *testing.T, w *Wiring, target config.Target) proxy.Route {
	t.Helper()
	r, err := w.Route(t.Context(), target)
	if err != nil {
		t.Fatalf("route for %s: %v", target.Endpoint, err)
	}
	return r
}

func TestTargetsShareWhatTheyCan(t *testing.T) {
	dir := testenv.Isolate(t)
	if err := os.WriteFile(filepath.Join(dir, "config"), []byte("[profile dev]\nregion = us-east-1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w := New(slog.New(slog.DiscardHandler), new(credentials.Profiles))
	first := wireRoute(t, w, testenv.Target(testenv.Orders, nil))
	for _, tt := range []struct {
		name   string
		target config.Target
		shared bool
	}{
		{"another database behind the same jump host", testenv.Target(testenv.Billing, nil), true},
		{"another jump host", testenv.Target(testenv.Billing, func(o *config.Options) { o.Via = "i-01234567" }), false},
		{"another region", testenv.Target("a.b1.us-east-1.rds.amazonaws.com", nil), false},
		{"another profile", testenv.Target(testenv.Billing, func(o *config.Options) { o.Profile = "dev" }), false},
		{"another number of sessions", testenv.Target(testenv.Billing, func(o *config.Options) { o.Sessions = 2 }), false},
		{"no keep-alive", testenv.Target(testenv.Billing, func(o *config.Options) { o.KeepAlive = config.KeepAliveOff }), false},
		{"a database in reach", testenv.Target(testenv.Billing, func(o *config.Options) { o.Via = config.ViaNone }), false},
	} {
		if got := wireRoute(t, w, tt.target); (got.Dialer == first.Dialer) != tt.shared {
			t.Errorf("%s: dialer shared is %v, want %v", tt.name, !tt.shared, tt.shared)
		}
	}
	if err := w.close(t.Context()); err != nil {
		t.Errorf("close: %v", err)
	}
}

func TestRouteKeepsEndpointAndDialApart(t *testing.T) {
	testenv.Isolate(t)
	w := New(slog.New(slog.DiscardHandler), new(credentials.Profiles))
	r := wireRoute(t, w, testenv.Target("Orders.c9akciq32abc.eu-central-1.rds.amazonaws.com:6543", func(o *config.Options) {
		o.Via, o.Dial, o.User, o.Database = config.ViaNone, "localhost:1053", "u", "d"
		o.SSLNegotiation = config.SSLDirect
	}))
	if _, own := r.Dialer.(*ownTunnel); !own || r.Address != "localhost:1053" || r.User != "u" || r.Database != "d" || !r.DirectTLS {
		t.Errorf("got %+v, want a direct dial of localhost:1053 as u to d, TLS at once", r)
	}
	if got := r.TLS().ServerName; got != testenv.Orders {
		t.Errorf("certificate checked for %q, want %q", got, testenv.Orders)
	}
	if r := wireRoute(t, w, testenv.Target(testenv.Orders, nil)); r.Address != testenv.Orders+":5432" || r.DirectTLS {
		t.Errorf("address %q, direct TLS %v; want the endpoint with its port, and an SSLRequest", r.Address, r.DirectTLS)
	}
}

func TestCAFileIsTrusted(t *testing.T) {
	dir := testenv.Isolate(t)
	db := httptest.NewTLSServer(http.NotFoundHandler())
	defer db.Close()
	file := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: db.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	w := New(slog.New(slog.DiscardHandler), new(credentials.Profiles))
	for caFile, want := range map[string]bool{file: true, "": false} {
		r := wireRoute(t, w, testenv.Target(testenv.Orders, func(o *config.Options) { o.CAFile = caFile }))
		_, err := db.Certificate().Verify(x509.VerifyOptions{Roots: r.TLS().RootCAs})
		if (err == nil) != want {
			t.Errorf("ca-file %q: certificate trusted is %v (%v), want %v", caFile, err == nil, err, want)
		}
	}
}

func TestEndpointOverrideIsTheSDKs(t *testing.T) {
	const services = "[default]\nservices = local\n[services local]\nssm =\n  endpoint_url = http://127.0.0.1:3\n"
	for _, tt := range []struct {
		name   string
		env    map[string]string
		config string
		want   string
	}{
		{"none", nil, "", ""},
		{"all services", map[string]string{"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "", "http://127.0.0.1:1"},
		{"SSM before all", map[string]string{"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ENDPOINT_URL_SSM": "http://127.0.0.1:2"}, "", "http://127.0.0.1:2"},
		{"services section", nil, services, "http://127.0.0.1:3"},
		{"ignored", map[string]string{"AWS_ENDPOINT_URL_SSM": "http://127.0.0.1:2", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, services, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := testenv.Isolate(t)
			for k, v := range tt.env {
				t.Setenv(k, v)
			}
			if err := os.WriteFile(filepath.Join(dir, "config"), []byte(tt.config), 0o600); err != nil {
				t.Fatal(err)
			}
			var profiles credentials.Profiles
			l, err := NewLogin(t.Context(), &profiles, testenv.Target(testenv.Orders, nil))
			if err != nil {
				t.Fatal(err)
			}
			withPool := testenv.Target(testenv.Orders, func(o *config.Options) {
				o.Sessions, o.SessionAge, o.KeepAlive = 7, time.Hour, config.KeepAliveOff
			})
			cfg := l.tunnelConfig(withPool, slog.New(slog.DiscardHandler))
			if cfg.EndpointOverride != tt.want || cfg.Region != "eu-central-1" || cfg.Target != testenv.Jump {
				t.Errorf("override %q, region %q, target %q; want %q in eu-central-1", cfg.EndpointOverride, cfg.Region, cfg.Target, tt.want)
			}
			if cfg.Sessions != 7 || cfg.MaxAge != time.Hour || !cfg.NoKeepAlive {
				t.Errorf("%d sessions up to %v, keep-alive off: %v; want what the target says", cfg.Sessions, cfg.MaxAge, cfg.NoKeepAlive)
			}
		})
	}
}

func TestWebsocketUsesTheCABundleAndProxyOfTheSDK(t *testing.T) {
	dir := testenv.Isolate(t)
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	defer server.Close()
	bundle := filepath.Join(dir, "bundle.pem")
	if err := os.WriteFile(bundle, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_CA_BUNDLE", bundle)
	var profiles credentials.Profiles
	l, err := NewLogin(t.Context(), &profiles, testenv.Target(testenv.Orders, nil))
	if err != nil {
		t.Fatal(err)
	}
	client := l.tunnelConfig(testenv.Target(testenv.Orders, nil), slog.New(slog.DiscardHandler)).HTTPClient
	defer client.CloseIdleConnections()
	resp, err := client.Get(server.URL)
	if err != nil {
		t.Fatalf("the bundle's certificate is not trusted: %v", err)
	}
	resp.Body.Close()
	transport := client.Transport.(credentials.Transport)
	if transport.Proxy == nil || transport.TLSClientConfig.MinVersion < tls.VersionTLS12 || client.Timeout != 0 {
		t.Errorf("proxy set %v, TLS from %x, timeout %v; want proxies honoured, TLS 1.2 and no timeout",
			transport.Proxy != nil, transport.TLSClientConfig.MinVersion, client.Timeout)
	}
}

func TestOwnTunnelDownIsToldAsSuch(t *testing.T) {
	testenv.Isolate(t)
	const address = "127.0.0.1:1" // nobody listens there, and nobody is given it
	r := wireRoute(t, New(slog.New(slog.DiscardHandler), new(credentials.Profiles)), testenv.Target(testenv.Orders, func(o *config.Options) { o.Via, o.Dial = config.ViaNone, address }))
	_, err := r.Dialer.DialContext(t.Context(), "tcp", r.Address)
	var told interface {
		error
		SQLState() string
		Detail() string
		Hint() string
	}
	if !errors.As(err, &told) {
		t.Fatalf("error %v does not explain itself", err)
	}
	if !strings.Contains(told.Error(), "cannot connect to "+address) || told.SQLState() != "08001" ||
		told.Detail() != "dialled "+address+" (option dial) instead of "+testenv.Orders+":5432" || told.Hint() != "is your own tunnel at "+address+" up?" {
		t.Errorf("got %q, %s, detail %q, hint %q", told, told.SQLState(), told.Detail(), told.Hint())
	}
}

// A configuration is the same for all connections until there are other roots.
func TestConfigurationIsShared(t *testing.T) {
	roots := x509.NewCertPool()
	configure := sameConfig(func() *tls.Config { return &tls.Config{RootCAs: roots} })
	first := configure()
	if configure() != first {
		t.Error("a connection has a configuration of its own")
	}
	roots = x509.NewCertPool()
	if second := configure(); second == first || second.RootCAs != roots {
		t.Error("new roots are not used")
	}
}
