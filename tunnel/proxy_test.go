package tunnel

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"
)

// TestDialThroughHTTPProxy takes the real way of an office network: CONNECT,
// TLS with a CA of the user's own, and a server that would rather speak HTTP/2.
func TestDialThroughHTTPProxy(t *testing.T) {
	got := make(chan *http.Request, 1)
	srv := httptest.NewUnstartedServer(accept(t, func(_ context.Context, r *http.Request, c *websocket.Conn) { got <- r; drain(c) }))
	srv.EnableHTTP2 = true
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	defer srv.Close()

	connects := make(chan string, 2)
	ended := make(chan struct{}, 2)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() { ended <- struct{}{} }()
		connects <- r.Method + " " + r.RequestURI
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		up, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Error(err)
			return
		}
		defer up.Close()
		io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
		var wg sync.WaitGroup
		wg.Go(func() { io.Copy(up, c); up.Close() })
		io.Copy(c, up)
		c.Close()
		wg.Wait()
	}))
	defer proxy.Close()
	proxyURL, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}

	// The test server's certificate is for example.com.
	const streamURL = "wss://example.com/v1/data-channel/me-0a1b?role=publish_subscribe&cell-number=A+b/C=="
	trusting := srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	for name, config := range map[string]*tls.Config{"trusted": {RootCAs: trusting}, "untrusted": {}} {
		t.Run(name, func(t *testing.T) {
			transport := &http.Transport{Proxy: http.ProxyURL(proxyURL), TLSClientConfig: config, ForceAttemptHTTP2: true}
			defer func() { <-ended }()
			defer transport.CloseIdleConnections()
			d := newWebsocketDialer(&http.Client{Transport: transport}, staticKeys(), "eu-west-1", "example.com")
			s, err := d.dial(t.Context(), streamURL, testOpen)
			if want, got := "CONNECT example.com:443", <-connects; got != want {
				t.Errorf("proxy was asked for %q, want %q", got, want)
			}
			if name == "untrusted" {
				if err == nil {
					s.Close()
					t.Fatal("dial of an untrusted server succeeded")
				}
				e := testPlace.dialError("starting", err)
				if wantError(t, e, "08001", "certificate"); !strings.Contains(e.Hint(), "AWS_CA_BUNDLE") {
					t.Errorf("hint %q, want AWS_CA_BUNDLE named", e.Hint())
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			r := <-got
			if sent := "wss://" + r.Host + r.RequestURI; sent != streamURL || r.ProtoMajor != 1 {
				t.Errorf("dialled %q with %s, want %q with HTTP/1.1", sent, r.Proto, streamURL)
			}
		})
	}
}
