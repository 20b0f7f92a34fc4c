package credentials

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

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
	return certain{causes.EndpointSetting.New(causes.Facts{"host": host, "setting": setting, "where": where, "said": err.Error()}, nil)}
}

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

// proxyURL is the environment's choice, except that what is on this machine or its
// link is asked directly: no proxy could, and it would see the keys.
func proxyURL(r *http.Request) (*url.URL, error) {
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
