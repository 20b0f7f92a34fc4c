package tunnel

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/internal/loopback"
	"github.com/pgkeyless/pgkeyless/internal/partition"
)

// urlError refuses a stream URL. It names no more of it than its scheme and host.
type urlError struct{ Scheme, Host, Reason string }

func (e *urlError) Error() string {
	if e.Host == "" {
		return "stream URL: " + e.Reason
	}
	return fmt.Sprintf("stream URL %s://%s: %s", e.Scheme, e.Host, e.Reason)
}

// messagesEndpoint reads Config.MessagesEndpoint: the scheme and host that stream
// URLs are given in place of their own, nil for "". Signature and token go there,
// so that it must be TLS but on this machine.
func messagesEndpoint(setting string) (*url.URL, error) {
	if setting == "" {
		return nil, nil
	}
	raw := setting
	if !strings.Contains(raw, "://") {
		raw = "https://" + raw
	}
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" || u.User != nil || strings.Trim(u.RequestURI(), "/") != "" || u.Fragment != "" {
		return nil, fmt.Errorf("ssmmessages endpoint %q is not of the form https://HOST", setting)
	}
	switch {
	case u.Scheme == "https" || u.Scheme == "wss":
		return &url.URL{Scheme: "wss", Host: u.Host}, nil
	case (u.Scheme == "http" || u.Scheme == "ws") && loopback.Is(u.Hostname()):
		return &url.URL{Scheme: "ws", Host: u.Host}, nil
	}
	return nil, fmt.Errorf("ssmmessages endpoint %q is not encrypted: only a loopback host works without https", setting)
}

// moved is the stream URL raw with endpoint's scheme and host in place of its own,
// and byte for byte the same behind them. A raw that is no URL stays as it is, for
// checkStreamURL to refuse.
func moved(raw string, endpoint *url.URL) string {
	if endpoint == nil {
		return raw
	}
	u, err := url.Parse(raw)
	if err != nil {
		return raw
	}
	rest, ok := strings.CutPrefix(raw, u.Scheme+"://"+u.Host)
	if !ok || u.Scheme != "wss" && u.Scheme != "ws" || u.Host == "" {
		return raw
	}
	return endpoint.Scheme + "://" + endpoint.Host + rest
}

// checkStreamURL parses the stream URL that StartSession or ResumeSession
// returned and makes sure that signature and token go to AWS only: by TLS to an
// ssmmessages endpoint of a known domain or to a host that the user has set. Plain ws is for tests and emulators: a loopback host, and only
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
		return refuse("cannot be sent unchanged")
	case u.Scheme == "wss" && isMessagesHost(host) && (u.Port() == "" || u.Port() == "443"):
		return u, nil
	case u.Scheme == "wss" && override != "" && host == override:
		return u, nil
	case u.Scheme == "wss":
		return refuse("not an ssmmessages endpoint of AWS")
	case u.Scheme == "ws" && override != "" && loopback.Is(host):
		return u, nil
	case u.Scheme == "ws":
		return refuse("not encrypted; that is for a loopback host while an SSM endpoint override is set")
	}
	return refuse("scheme is not wss")
}

// isMessagesHost: service and region stand before a domain of AWS's.
func isMessagesHost(host string) bool {
	for _, domain := range partition.Domains() {
		labels, ok := strings.CutSuffix(host, "."+domain)
		service, region, _ := strings.Cut(labels, ".")
		if ok && (service == "ssmmessages" || service == "ssmmessages-fips") && partition.MayBeRegion(region) {
			return true
		}
	}
	return false
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
