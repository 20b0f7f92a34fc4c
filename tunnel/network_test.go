package tunnel

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// pipeNet is a network of net.Pipes with one HTTP server, whatever the address.
type pipeNet struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once

	mu     sync.Mutex
	dialed []net.Conn // server ends, for cutting
}

// serve starts handler on a pipeNet until the test ends.
func serve(t *testing.T, handler http.Handler) *pipeNet {
	t.Helper()
	n := &pipeNet{conns: make(chan net.Conn), done: make(chan struct{})}
	srv := &http.Server{Handler: handler}
	served := make(chan struct{})
	go func() { defer close(served); srv.Serve(n) }()
	t.Cleanup(func() {
		n.cut()
		srv.Close()
		<-served
	})
	return n
}

func (n *pipeNet) Accept() (net.Conn, error) {
	select {
	case c := <-n.conns:
		return c, nil
	case <-n.done:
		return nil, net.ErrClosed
	}
}

func (n *pipeNet) Close() error   { n.once.Do(func() { close(n.done) }); return nil }
func (n *pipeNet) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

func (n *pipeNet) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case n.conns <- server:
		n.mu.Lock()
		defer n.mu.Unlock()
		n.dialed = append(n.dialed, server)
		return client, nil
	case <-n.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// cut breaks every connection, with no closing frame.
func (n *pipeNet) cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range n.dialed {
		c.Close()
	}
	n.dialed = nil
}

// client is an HTTP client on n, which keeps no idle connection.
func (n *pipeNet) client() *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: n.dial, DisableKeepAlives: true}}
}

// testKeys are the examples of AWS's documentation.
var testKeys = aws.Credentials{
	AccessKeyID:     "AKIDEXAMPLE",
	SecretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
	SessionToken:    "c2Vzc2lvbg==",
}

func staticKeys() aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return testKeys, nil })
}

// logBuffer collects log lines for a search.
type logBuffer struct {
	mu    sync.Mutex
	bytes []byte
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bytes = append(b.bytes, p...)
	return len(p), nil
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return string(b.bytes)
}

func newLog(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
