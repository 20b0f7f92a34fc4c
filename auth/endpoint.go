package auth

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/partition"
)

// Endpoint names a database: what its token is signed for and what its
// certificate must prove. It says nothing about where to dial.
type Endpoint struct {
	Host      string // lower case, no trailing dot; an IPv6 address has no brackets
	Port      int    // 1–65535
	Region    string // "eu-west-1"; empty when the name holds none
	Partition string // "aws", "aws-cn", "aws-us-gov", …; empty when unknown
	Kind      Kind
	// Gateway says that RDS describes the cluster as reached through Aurora's internet
	// access gateway, which may have a certificate of the Amazon Trust roots. The name
	// does not say so.
	Gateway bool
}

// Address returns "host:port", with brackets around an IPv6 address.
func (e Endpoint) Address() string {
	return net.JoinHostPort(e.Host, strconv.Itoa(e.Port))
}

// InRegion returns e with its region replaced; an empty region changes nothing.
func (e Endpoint) InRegion(region string) Endpoint {
	if region == "" || region == e.Region {
		return e
	}
	e.Region = region
	if p := partition.Of(region); p != partition.Commercial || e.Partition == "" {
		e.Partition = p
	}
	return e
}

// Ports that are meant when none is written.
const (
	postgresPort = 5432
	redshiftPort = 5439
)

// ParseEndpoint reads "host" or "host:port" (an IPv6 address with a port needs
// brackets) and tells from the name which kind of endpoint it is and in which
// region. Names it does not know are KindOther; text that cannot be a host and
// a port is a causes.Misuse. A userinfo part is never repeated in an error.
func ParseEndpoint(hostport string) (Endpoint, error) {
	if err := notAnAddress(hostport); err != nil {
		return Endpoint{}, err
	}
	host, port, err := splitHostPort(hostport)
	if err != nil {
		return Endpoint{}, endpointError(hostport, err)
	}
	if host, err = cleanHost(host); err != nil {
		return Endpoint{}, endpointError(hostport, err)
	}
	e := classify(host)
	switch {
	case port != 0:
		e.Port = port
	case e.Kind == KindRedshift:
		e.Port = redshiftPort
	default:
		e.Port = postgresPort
	}
	return e, nil
}

const endpointHelp = "give the endpoint as host[:port], for example " +
	"orders.cluster-c1a2b3.eu-west-1.rds.amazonaws.com:5432"

func endpointError(typed string, err error) error {
	return causes.MisuseOf(fmt.Errorf("endpoint %q: %w", typed, err), endpointHelp)
}

// notAnAddress catches what people paste in place of a host. What is pasted may
// hold a password, so it is not repeated.
func notAnAddress(s string) error {
	switch {
	case strings.TrimSpace(s) == "":
		return causes.MisuseOf(fmt.Errorf("the endpoint is empty"), endpointHelp)
	case strings.Contains(s, "://"):
		return causes.MisuseOf(fmt.Errorf("the endpoint is a URL"), endpointHelp)
	case strings.HasPrefix(s, "arn:"):
		return causes.MisuseOf(fmt.Errorf("the endpoint is an ARN"), endpointHelp)
	case strings.Contains(s, "@"):
		return causes.MisuseOf(fmt.Errorf("the endpoint has a user in it"), endpointHelp)
	case strings.Contains(s, "="):
		return causes.MisuseOf(fmt.Errorf("the endpoint is a connection string"), endpointHelp)
	}
	return nil
}

// splitHostPort parts "host:port"; port is 0 when none is written.
func splitHostPort(s string) (host string, port int, err error) {
	if _, err := netip.ParseAddr(s); err == nil {
		return s, 0, nil
	}
	if inner, ok := strings.CutPrefix(s, "["); ok {
		host, rest, ok := strings.Cut(inner, "]")
		if addr, err := netip.ParseAddr(host); !ok || err != nil || !addr.Is6() {
			return "", 0, fmt.Errorf("brackets must contain an IPv6 address")
		}
		if rest == "" {
			return host, 0, nil
		}
		if !strings.HasPrefix(rest, ":") {
			return "", 0, fmt.Errorf("%q after the bracket is not a port", rest)
		}
		port, err = parsePort(rest[1:])
		return host, port, err
	}
	host, digits, found := strings.Cut(s, ":")
	if !found {
		return s, 0, nil
	}
	if strings.Contains(digits, ":") {
		return "", 0, fmt.Errorf("more than one colon, and not an IPv6 address")
	}
	port, err = parsePort(digits)
	return host, port, err
}

func parsePort(digits string) (int, error) {
	if digits == "" {
		return 0, fmt.Errorf("no port after the colon")
	}
	n, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("port %q is not a number from 1 to 65535", digits)
	}
	return int(n), nil
}

// cleanHost lower-cases a host name and takes off one trailing dot: SigV4 signs
// the name as written, and AWS compares it with the lower-case one.
//
// Labels follow RFC 1123 section 2.1, with an underscore let through since
// private zones have them.
func cleanHost(host string) (string, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		if addr.Zone() != "" {
			return "", fmt.Errorf("a certificate cannot contain an IPv6 zone")
		}
		return addr.String(), nil
	}
	host = strings.TrimSuffix(host, ".")
	if host == "" {
		return "", fmt.Errorf("no host before the port")
	}
	if len(host) > 253 {
		return "", fmt.Errorf("the host name is longer than 253 characters")
	}
	for _, r := range host {
		if !isHostRune(r) {
			return "", fmt.Errorf("a host name has no %q", r)
		}
	}
	host = strings.ToLower(host)
	labels := strings.Split(host, ".")
	for _, label := range labels {
		switch {
		case label == "":
			return "", fmt.Errorf("two dots in a row, or a leading dot")
		case len(label) > 63:
			return "", fmt.Errorf("the part %q is longer than 63 characters", label)
		case label[0] == '-' || label[len(label)-1] == '-':
			return "", fmt.Errorf("the part %q begins or ends with a hyphen", label)
		}
	}
	if last := labels[len(labels)-1]; strings.Trim(last, "0123456789") == "" {
		return "", fmt.Errorf("neither a host name nor an IP address")
	}
	return host, nil
}

func isHostRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' ||
		r == '-' || r == '.' || r == '_'
}
