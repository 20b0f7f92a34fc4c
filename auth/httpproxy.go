package auth

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// ProxyError is an HTTP proxy's refusal to lead on to AWS. Without it net/http
// leaves nothing of the answer but its reason phrase.
type ProxyError struct {
	Proxy  string // host and port, without user and password
	Status int
}

func (e *ProxyError) Error() string {
	return fmt.Sprintf("HTTP proxy %s answers %d %s", e.Proxy, e.Status, http.StatusText(e.Status))
}

// HTTPProxy returns whose answer it is, and its status.
func (e *ProxyError) HTTPProxy() (host string, status int) { return e.Proxy, e.Status }

// RetryableError tells the SDK whether to ask again: a proxy that wants a login,
// or forbids a host, does so each time.
func (e *ProxyError) RetryableError() bool { return e.Status >= 500 }

// newHTTPClient is the SDK's own, with ProxyErrors.
func newHTTPClient() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.OnProxyConnectResponse = func(_ context.Context, proxy *url.URL, _ *http.Request, answer *http.Response) error {
			if answer.StatusCode == http.StatusOK {
				return nil
			}
			return &ProxyError{proxy.Host, answer.StatusCode}
		}
	})
}
