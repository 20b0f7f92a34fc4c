package config

import (
	"cmp"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/serviceaccount"
)

func delay(field func(*Run) *time.Duration) func(*Run, string) error {
	return func(r *Run, v string) error {
		d, err := time.ParseDuration(v)
		if err != nil || d < 0 {
			return problem("%q is not a duration", v).hinted("write it with a unit, for example 30s or 5m")
		}
		*field(r) = d
		return nil
	}
}

func setMaxConnections(r *Run, v string) error {
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 {
		return problem("%q is not a number of connections", v).hinted("give a whole number; 0 means no limit")
	}
	r.MaxConnections = n
	return nil
}

func setReadyFD(r *Run, v string) error {
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 || n == 2 {
		return problem("%q is not a file descriptor for ready lines", v).hinted("give 3 or more, or 1 for stdout: pgkeyless … --ready-fd 3 3>ready.json; 2 is the log's")
	}
	r.ReadyFD = n
	return nil
}

func setLoginTimeout(r *Run, v string) error {
	d, err := time.ParseDuration(v)
	if err != nil || d < time.Second {
		return problem("%q is no time for a login", v).hinted("write it with a unit, for example 30s or 5m; a second at least")
	}
	r.LoginTimeout = d
	return nil
}

func setConfigFile(r *Run, v string) error {
	if v == "" {
		return problem("the value is empty")
	}
	r.ConfigFile = v
	return nil
}

// metricName is what Prometheus allows.
//
// Source: Prometheus docs, concepts/data_model.
var metricName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

func setNamespace(r *Run, v string) error {
	if !metricName.MatchString(v) {
		return problem("%q is no prefix of a metric's name", v).hinted("use letters, digits and underscores, and do not start with a digit")
	}
	r.PrometheusNamespace = v
	return nil
}

func setHTTPAddress(r *Run, v string) error {
	if err := checkAddress(v); err != nil {
		return err
	}
	r.HTTPAddress = v
	return nil
}

// setPortOf makes a setter for a port of the process.
func setPortOf(field func(*Run) *int) func(*Run, string) error {
	return func(r *Run, v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 || n > 65535 {
			return problem("%q is not a port", v).hinted("write a number from 1 to 65535, or 0 for a free one")
		}
		*field(r) = n
		return nil
	}
}

func setAllowUsers(r *Run, v string) error {
	for name := range strings.SplitSeq(v, ",") {
		if strings.TrimSpace(name) != name || name == "" {
			return problem("%q is no list of users", v).hinted("write names of users of this machine with commas between them, or any")
		}
	}
	r.AllowUsers = v
	return nil
}

func setAuth(r *Run, v string) error {
	if err := oneOf(AuthNone, AuthSCRAM, AuthCert, AuthKubernetes)(v); err != nil {
		return err
	}
	r.Auth = v
	return nil
}

func setAccounts(r *Run, v string) error {
	for _, account := range strings.Split(v, ",") {
		if !serviceaccount.IsEntry(account) {
			return problem("%q is no service account", account).hinted("write NAMESPACE/NAME, NAMESPACE/* for all of a namespace, or * for all of the cluster; commas separate several")
		}
	}
	r.Kubernetes.Accounts = v
	return nil
}

func setAudience(r *Run, v string) error {
	if v == "" || len(v) > 256 || strings.ContainsFunc(v, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return problem("%q is no audience", v).hinted("write a word or URL without spaces")
	}
	r.Kubernetes.Audience = v
	return nil
}

func httpsURL(field func(*Run) *string) func(*Run, string) error {
	return func(r *Run, v string) error {
		u, err := url.Parse(v)
		if err != nil || u.Scheme != "https" || !isHost(u.Hostname()) || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			return problem("%q is no https URL", v).hinted("write it as https://HOST, with a port and path where it has them")
		}
		*field(r) = v
		return nil
	}
}

func setPeers(r *Run, v string) error {
	host := v
	if name, port, err := net.SplitHostPort(v); err == nil {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return problem("%q has no port from 1 to 65535", v).hinted("write NAME or NAME:PORT")
		}
		host = name
	}
	if !isHost(host) {
		return problem("%q is no DNS name", v).hinted("write NAME or NAME:PORT, as of a headless Service")
	}
	r.Peers = v
	return nil
}

func setProxyProtocolFrom(r *Run, v string) error {
	for text := range strings.SplitSeq(v, ",") {
		if _, ok := prefix(text); !ok {
			return problem("%q is no IP address or CIDR", text).hinted("write addresses of load balancers with commas between them, as 10.0.0.5,10.1.0.0/24")
		}
	}
	r.ProxyProtocolFrom = v
	return nil
}

// Balancers are the addresses from which connections begin with a PROXY protocol
// header; none where that is off.
func (r *Run) Balancers() []netip.Prefix {
	if !r.ProxyProtocol {
		return nil
	}
	var all []netip.Prefix
	for text := range strings.SplitSeq(cmp.Or(r.ProxyProtocolFrom, "127.0.0.0/8,::1"), ",") {
		p, _ := prefix(text) // setProxyProtocolFrom has checked it
		all = append(all, p)
	}
	return all
}

// prefix is an address or a CIDR, IPv4 as such, and not within IPv6.
func prefix(text string) (netip.Prefix, bool) {
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), true
	}
	p, err := netip.ParsePrefix(text)
	return p.Masked(), err == nil && !p.Addr().Is4In6()
}

// fileOf makes a setter for the name of a file.
func fileOf(field func(*Run) *string) func(*Run, string) error {
	return func(r *Run, v string) error {
		if v == "" || strings.ContainsAny(v, "\x00\r\n") {
			return problem("%q is no name of a file", v).hinted("name a file")
		}
		*field(r) = v
		return nil
	}
}
