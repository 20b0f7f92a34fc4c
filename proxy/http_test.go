package proxy

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
)

// A browser shows what the port is for, and nothing that it sent.
func TestBrowsersAreTold(t *testing.T) {
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"} {
		t.Run(method, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil, nil)
				c := r.dial()
				go c.Write([]byte(method + " /secret HTTP/1.1\r\nHost: localhost\r\n\r\n"))
				said, err := io.ReadAll(c)
				if err != nil {
					t.Fatal(err)
				}
				answer, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(said)), nil)
				if err != nil {
					t.Fatalf("%v: %q", err, said)
				}
				text, err := io.ReadAll(answer.Body)
				if err != nil || answer.StatusCode != http.StatusBadRequest || !bytes.Contains(text, []byte("PostgreSQL")) {
					t.Errorf("answered %q (%v), want 400 and what the port speaks", said, err)
				}
				if bytes.Contains(said, []byte("secret")) {
					t.Errorf("the request comes back: %q", said)
				}
				r.stop()
				if got := r.server.Snapshot().Unstarted[UnstartedHTTP]; got != 1 {
					t.Errorf("%d HTTP requests counted, want 1", got)
				}
			})
		})
	}
}

// The hint leads people from a database's port to the status page.
func TestBrowsersAreToldWhereThePageIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, func(c *Config) { c.BrowserHint = "The status page is at http://localhost:9090/" })
		c := r.dial()
		go c.Write([]byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"))
		answer, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		if err != nil || !bytes.HasSuffix(text, []byte("client.\nThe status page is at http://localhost:9090/\n")) {
			t.Errorf("answered %q, %v", text, err)
		}
		r.stop()
	})
}
