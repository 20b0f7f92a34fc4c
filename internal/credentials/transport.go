package credentials

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// newHTTPClient is the SDK's own, which keeps what an HTTP proxy answers: of a
// refusal net/http leaves nothing but its reason phrase. leadingTo says because of
// which setting a host is asked; it may be nil.
func newHTTPClient(leadingTo func(host string) (setting, where string)) *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.Proxy = proxyFor
		t.OnProxyConnectResponse = func(_ context.Context, proxy *url.URL, asked *http.Request, answer *http.Response) error {
			if answer.StatusCode == http.StatusOK {
				return nil
			}
			said := fmt.Sprintf("%d %s", answer.StatusCode, http.StatusText(answer.StatusCode))
			facts := causes.Facts{"proxy": proxy.Host, "host": asked.Host, "said": said}
			absent := answer.StatusCode >= 500 || answer.StatusCode == http.StatusNotFound
			if absent {
				plain := fmt.Errorf("HTTP proxy %s answers %s", proxy.Host, said)
				if blamed := ofSetting(leadingTo, hostOf("//"+asked.Host), plain); blamed != plain {
					return blamed
				}
			}
			switch {
			case answer.StatusCode == http.StatusProxyAuthRequired:
				return certainError{causes.ProxyWantsLogin.New(facts, nil)}
			case answer.StatusCode >= 500: // it may find the host a second later
				return causes.ProxyRefuses.New(facts, nil)
			}
			return certainError{causes.ProxyRefuses.New(facts, nil)}
		}
		explainDial(t, leadingTo)
	})
}

// explainDial makes t blame the setting that leads to a host that does not exist.
func explainDial(t *http.Transport, leadingTo func(string) (string, string)) {
	dial := t.DialContext
	t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
			host, _, _ := net.SplitHostPort(address)
			err = ofSetting(leadingTo, host, err)
		}
		return conn, err
	}
}

// ofSetting blames the setting because of which host was asked, if there is one,
// for err: host does not exist.
func ofSetting(leadingTo func(string) (string, string), host string, err error) error {
	if leadingTo == nil {
		return err
	}
	setting, where := leadingTo(host)
	if setting == "" {
		return err
	}
	return certainError{causes.EndpointSetting.New(causes.Facts{"host": host, "setting": setting, "where": where, "said": err.Error()}, nil)}
}

// certainError is what asking again does not change.
type certainError struct{ error }

func (e certainError) Unwrap() error { return e.error }

// RetryableError tells the SDK not to ask again.
func (e certainError) RetryableError() bool { return false }

// hostOf is the host of a URL, in lower case and without its port.
func hostOf(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Hostname())
}

// The addresses of instance metadata and of EKS Pod Identity in IPv6, which are
// link-local by their meaning only.
var localIPv6 = netip.MustParsePrefix("fd00:ec2::/32")

// proxyFor is the environment's choice, except that what is on this machine or its
// link is asked directly: no proxy could, and it would see the keys.
func proxyFor(r *http.Request) (*url.URL, error) {
	if a, err := netip.ParseAddr(r.URL.Hostname()); err == nil && (a.IsLinkLocalUnicast() || a.IsLoopback() || localIPv6.Contains(a)) {
		return nil, nil
	}
	return http.ProxyFromEnvironment(r)
}

// nearbyHTTPClient is for the credentials of an instance, a container or a pod:
// whatever the host is called, no proxy is asked.
func nearbyHTTPClient() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) { t.Proxy = nil })
}
