package auth

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// newHTTPClient is the SDK's own, which keeps what an HTTP proxy answers: of a
// refusal net/http leaves nothing but its reason phrase.
func newHTTPClient() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.OnProxyConnectResponse = func(_ context.Context, proxy *url.URL, asked *http.Request, answer *http.Response) error {
			switch answer.StatusCode {
			case http.StatusOK:
				return nil
			case http.StatusProxyAuthRequired:
				return &ProxyLoginError{proxy.Host, asked.Host}
			}
			return fmt.Errorf("HTTP proxy %s answers %d %s", proxy.Host, answer.StatusCode, http.StatusText(answer.StatusCode))
		}
	})
}

// ProxyLoginError says that an HTTP proxy wants a login.
type ProxyLoginError struct {
	Proxy string // host and port, without user and password
	Host  string // "host:port" behind it
}

func (e *ProxyLoginError) Error() string { return e.told().Message }

// SQLState is the code for a client.
func (e *ProxyLoginError) SQLState() string { return e.told().SQLState }

// Hint says what to do next.
func (e *ProxyLoginError) Hint() string { return e.told().Hint }

// Cause names the row of the causes table that e's words are from.
func (e *ProxyLoginError) Cause() string { return causes.ProxyWantsLogin.Name }

// RetryableError tells the SDK not to ask again.
func (e *ProxyLoginError) RetryableError() bool { return false }

func (e *ProxyLoginError) told() causes.Told {
	return causes.ProxyWantsLogin.Fill(causes.Facts{"proxy": e.Proxy, "host": e.Host})
}
