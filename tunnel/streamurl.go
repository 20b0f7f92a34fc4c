package tunnel

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"

	"github.com/pgkeyless/pgkeyless/internal/display"
)

// awsDomains are the domains of AWS's regional endpoints: of each partition the
// usual one and that of the dual-stack endpoints.
//
// Source: agent, common/identity/endpoint/endpoint.go; aws-sdk-go-v2,
// internal/endpoints/awsrulesfn/partitions.go.
var awsDomains = []string{
	"amazonaws.com", "api.aws",
	"amazonaws.com.cn", "api.amazonwebservices.com.cn",
	"amazonaws.eu", "api.amazonwebservices.eu",
	"c2s.ic.gov", "api.aws.ic.gov",
	"sc2s.sgov.gov", "api.aws.scloud",
	"cloud.adc-e.uk", "api.cloud-aws.adc-e.uk",
	"csp.hci.ic.gov", "api.aws.hci.ic.gov",
}

// ssmmessages is what stands before the domain: service and region.
var ssmmessages = regexp.MustCompile(`^ssmmessages(-fips)?\.[a-z]{2,}(-[a-z0-9]+)+\.$`)

// urlError refuses a stream URL. It names no more of it than its scheme and host.
type urlError struct{ Scheme, Host, Reason string }

func (e *urlError) Error() string {
	if e.Host == "" {
		return "stream URL: " + e.Reason
	}
	return fmt.Sprintf("stream URL %s://%s: %s", e.Scheme, e.Host, e.Reason)
}

// checkStreamURL parses the stream URL that StartSession or ResumeSession
// returned and makes sure that signature and token go to AWS only: by TLS to an
// ssmmessages endpoint of a known domain or to the host of the SSM endpoint
// override. Plain ws is for tests and emulators: a loopback host, and only
// while an override is set.
func checkStreamURL(raw, override string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, &urlError{Reason: "not a URL"}
	}
	refuse := func(reason string) (*url.URL, error) {
		return nil, &urlError{Scheme: display.Line(u.Scheme), Host: display.Line(u.Host), Reason: reason}
	}
	host := strings.ToLower(u.Hostname())
	switch {
	case host == "" || u.User != nil || u.Fragment != "":
		return refuse("host expected, user name and fragment not")
	case raw != u.Scheme+"://"+u.Host+u.RequestURI():
		return refuse("cannot be sent as it stands")
	case u.Scheme == "wss" && isMessagesHost(host) && (u.Port() == "" || u.Port() == "443"):
		return u, nil
	case u.Scheme == "wss" && override != "" && host == override:
		return u, nil
	case u.Scheme == "wss":
		return refuse("not an ssmmessages endpoint of AWS")
	case u.Scheme == "ws" && override != "" && isLoopback(host):
		return u, nil
	case u.Scheme == "ws":
		return refuse("not encrypted; that is for a loopback host while an SSM endpoint override is set")
	}
	return refuse("scheme is not wss")
}

func isMessagesHost(host string) bool {
	for _, domain := range awsDomains {
		if label, ok := strings.CutSuffix(host, domain); ok && ssmmessages.MatchString(label) {
			return true
		}
	}
	return false
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// presigned reports whether the URL carries its own authentication. Such a
// channel is opened without a signature and cannot be resumed.
//
// Source: plugin, src/communicator/websocketchannel.go.
func presigned(u *url.URL) bool {
	query := u.Query()
	for _, name := range [...]string{
		"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires",
		"X-Amz-SignedHeaders", "X-Amz-Signature", "X-Amz-Security-Token",
	} {
		if query.Has(name) {
			return true
		}
	}
	return false
}
