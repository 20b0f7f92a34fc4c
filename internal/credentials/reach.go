package credentials

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"

	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/display"
)

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
	facts := causes.Facts{"host": u.Host, "proxy": proxyHost(u), "bundle": os.Getenv("AWS_CA_BUNDLE")}
	refused, ok := errors.AsType[*tls.CertificateVerificationError](err)
	if !ok {
		silent := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if silent && facts["proxy"] != "" {
			facts["said"] = "the connection ends without an answer"
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
	return certainError{certificateCause(refused.Err).New(facts, err)}
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

// proxyHost is the HTTP proxy that leads to u, "" for none.
func proxyHost(u *url.URL) string {
	proxy, err := proxyFor(&http.Request{URL: u})
	if err != nil || proxy == nil {
		return ""
	}
	return display.Line(proxy.Host)
}
