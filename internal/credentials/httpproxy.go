package credentials

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
				return proxyLoginError{causes.ProxyWantsLogin.New(causes.Facts{"proxy": proxy.Host, "host": asked.Host}, nil)}
			}
			return fmt.Errorf("HTTP proxy %s answers %d %s", proxy.Host, answer.StatusCode, http.StatusText(answer.StatusCode))
		}
	})
}

// proxyLoginError says that an HTTP proxy wants a login.
type proxyLoginError struct{ error }

func (e proxyLoginError) Unwrap() error { return e.error }

// RetryableError tells the SDK not to ask again.
func (e proxyLoginError) RetryableError() bool { return false }
