package credentials

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/display"
)

// newHTTPClient is the SDK's own, which keeps what an HTTP proxy answers: of a
// refusal net/http leaves nothing but its reason phrase. leadingTo says because of
// which setting a host is asked; it may be nil.
func newHTTPClient(leadingTo func(host string) (setting, where string)) *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		explainDial(t, leadingTo)
		t.Proxy = proxyURL
		t.OnProxyConnectResponse = func(_ context.Context, proxy *url.URL, asked *http.Request, answer *http.Response) error {
			facts := causes.Facts{"proxy": proxy.Host, "host": asked.Host, "said": fmt.Sprintf("%d %s", answer.StatusCode, http.StatusText(answer.StatusCode))}
			switch {
			case answer.StatusCode == http.StatusOK:
				return nil
			case answer.StatusCode == http.StatusProxyAuthRequired:
				return certain{causes.ProxyWantsLogin.New(facts, nil)}
			case answer.StatusCode >= 500: // it may find the host a second later
				return ofSetting(leadingTo, hostOf("//"+asked.Host), causes.ProxyRefuses.New(facts, nil))
			}
			return certain{causes.ProxyRefuses.New(facts, nil)}
		}
	})
}

// certain is an error that the next try would meet, too.
type certain struct{ error }

func (e certain) Unwrap() error { return e.error }

// RetryableError tells the SDK not to ask again.
func (e certain) RetryableError() bool { return false }

// Transport is an *http.Transport whose errors say what is wrong with a
// certificate, as those of the SDK's calls do.
type Transport struct{ *http.Transport }

func (t Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := t.Transport.RoundTrip(r)
	return answer, unreached(r.URL, err)
}

// wordUnreached gives the errors of a client's requests the words of unreached.
// Whatever client of AWS is made from a configuration has it: those that get
// credentials, look up and start sessions.
func wordUnreached(stack *middleware.Stack) error {
	return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("pgkeyless:unreached",
		func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
			out, metadata, err := next.HandleDeserialize(ctx, in)
			if request, ok := in.Request.(*smithyhttp.Request); ok {
				err = unreached(request.URL, err)
			}
			return out, metadata, err
		}), middleware.After) // next to the wire: what retries is outside
}

// unreached words why a request to u got no answer, where that is a certificate,
// or an HTTP proxy that says nothing; other errors it leaves as they are. A
// certificate that is refused is refused the next time, too.
func unreached(u *url.URL, err error) error {
	if err == nil {
		return nil
	}
	facts := causes.Facts{"host": u.Host, "proxy": proxyFor(u), "bundle": os.Getenv("AWS_CA_BUNDLE")}
	refused, ok := errors.AsType[*tls.CertificateVerificationError](err)
	if !ok {
		silent := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if silent && facts["proxy"] != "" {
			facts["said"] = "the connection ended without an answer"
			return causes.ProxyRefuses.New(facts, err)
		}
		return err
	}
	if dial, ok := errors.AsType[*net.OpError](err); ok && dial.Op == "proxyconnect" { // an https:// proxy's own
		facts["host"], facts["proxy"] = "HTTP proxy "+facts["proxy"], ""
	}
	facts["said"] = display.Line(refused.Err.Error())
	if chain := refused.UnverifiedCertificates; len(chain) > 0 {
		facts["issuer"] = display.Line(chain[len(chain)-1].Issuer.String())
	}
	return certain{certificateCause(refused.Err).New(facts, err)}
}

func certificateCause(err error) causes.Cause {
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return causes.AWSCertificateName
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		return causes.AWSCertificateExpired
	}
	return causes.AWSCertificateUntrusted
}

// proxyFor is the HTTP proxy that leads to u, "" for none.
func proxyFor(u *url.URL) string {
	proxy, err := proxyURL(&http.Request{URL: u})
	if err != nil || proxy == nil {
		return ""
	}
	return display.Line(proxy.Host)
}
