package config

import (
	"cmp"
	"math"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/loopback"
	"github.com/pgkeyless/pgkeyless/internal/partition"
)

// text makes a setter that stores a string which check, unless nil, has passed.
func text(check func(string) error, field func(*Options) *string) func(*Options, string) error {
	return func(o *Options, v string) error {
		if strings.ContainsAny(v, "\x00\r\n") {
			return problem("a control character in the value")
		}
		if v == "" {
			return problem("the value is empty")
		}
		if check != nil {
			if err := check(v); err != nil {
				return err
			}
		}
		*field(o) = v
		return nil
	}
}

func flagged[T any](field func(*T) *bool) func(*T, string) error {
	return func(t *T, v string) error {
		b, err := strconv.ParseBool(map[string]string{"on": "true", "off": "false"}[v])
		if err != nil {
			b, err = strconv.ParseBool(v)
		}
		if err != nil {
			return problem("%q is neither true nor false", v).hinted("write true or false, or 1 or 0")
		}
		*field(t) = b
		return nil
	}
}

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

// oneOf makes a check for words of a list.
func oneOf(words ...string) func(string) error {
	return func(v string) error {
		if slices.Contains(words, v) {
			return nil
		}
		return problem("%q is none of %s", v, strings.Join(words, ", "))
	}
}

func setSessions(o *Options, v string) error {
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 || n > maxSessions {
		return problem("%q is not a number of sessions", v).hinted("give a number from 1 to %d", maxSessions)
	}
	o.Sessions = n
	return nil
}

func setReadyLogins(o *Options, v string) error {
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 || n > maxReadyLogins {
		return problem("%q is not a number of ready logins", v).hinted("give a number from 0 to %d; 0 turns them off", maxReadyLogins)
	}
	o.ReadyLogins = n
	return nil
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

func setSessionAge(o *Options, v string) error {
	d, err := time.ParseDuration(v)
	if err != nil || d < 0 {
		return problem("%q is not a duration", v).hinted("write it with a unit, for example 12h; 0s means any age")
	}
	if d > 0 && d < time.Minute {
		return problem("%v is too short for an SSM session", d).hinted("starting one takes seconds; give a minute at least")
	}
	o.SessionAge = d
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

// maxStatementTimeout is PostgreSQL's own bound, in milliseconds as it counts.
const maxStatementTimeout = math.MaxInt32 * time.Millisecond

func setStatementTimeout(o *Options, v string) error {
	d, err := time.ParseDuration(v)
	if err != nil || d < 0 {
		return problem("%q is not a duration", v).hinted("write it with a unit, for example 30s or 5m; 0s means none")
	}
	if d%time.Millisecond != 0 || d > maxStatementTimeout {
		return problem("%q is no statement_timeout", v).hinted("PostgreSQL counts whole milliseconds, up to %v", maxStatementTimeout)
	}
	o.StatementTimeout = d
	return nil
}

func checkClusterEndpoint(v string) error {
	if isIdentifier(v) { // as writer and reader are
		return nil
	}
	return problem("%q names no endpoint of a cluster", v).hinted("write writer, reader, or the identifier of an instance or custom endpoint of the cluster")
}

// PortNone, as a port, is none: the Unix socket is served alone.
const PortNone = "none"

func setPort(o *Options, v string) error {
	if v == PortNone || v == "off" {
		o.NoTCP = true
		o.Port = cmp.Or(o.Port, defaults().Port) // in the socket's name
		return nil
	}
	n, err := strconv.ParseUint(v, 10, 16)
	if err != nil {
		e := problem("%q is not a port number", v).hinted("give a number from 1 to 65535, 0 for any free port, or none for the Unix socket only")
		if strings.HasPrefix(v, "tcp://") {
			e = e.hinted("Kubernetes sets this variable for a service of that name; turn enableServiceLinks off or set it yourself")
		}
		return e
	}
	o.Port, o.NoTCP = int(n), false
	return nil
}

// Targets of StartSession, as the Session Manager user guide writes them.
var (
	instanceID = regexp.MustCompile(`^i-([0-9a-f]{8}|[0-9a-f]{17})$`)
	managedID  = regexp.MustCompile(`^mi-[0-9a-f]{17}$`)
	ecsTarget  = regexp.MustCompile(`^ecs:[A-Za-z0-9_-]+_[A-Za-z0-9-]+_[A-Za-z0-9-]+$`)
)

// What names several of them: an ECS service's tasks, the managed nodes
// with a tag, the instances of an Auto Scaling group.
//
// Source: ECS, EC2 and Auto Scaling API references, constraints of the names.
var (
	ecsService = lazily(`^ecs:[A-Za-z0-9_-]{1,255}/[A-Za-z0-9_-]{1,255}$`)
	nodeTag    = lazily(`^tag:[^=]{1,128}=.{0,256}$`)
	group      = lazily(`^(asg|autoscaling):.{1,255}$`)
)

// maxVia is StartSession's own bound on Target.
const maxVia = 400

func checkVia(v string) error {
	if v == ViaNone || len(v) <= maxVia && (instanceID.MatchString(v) || managedID.MatchString(v) || ecsTarget.MatchString(v)) ||
		ecsService().MatchString(v) || nodeTag().MatchString(v) || group().MatchString(v) {
		return nil
	}
	return problem("%q is not a jump host", v).hinted(
		"give an instance id (i- and 8 or 17 hex digits), a managed node id (mi- and 17), tag:KEY=VALUE, asg:GROUP, ecs:CLUSTER/SERVICE, ecs:CLUSTER_TASK_RUNTIME, or none")
}

func checkHostPort(v string) error {
	host, port, err := net.SplitHostPort(v)
	n, perr := strconv.ParseUint(port, 10, 16)
	if err != nil || perr != nil || n == 0 || !isHost(host) {
		return problem("%q is not HOST:PORT", v).hinted("give the address at which your own tunnel reaches the database, for example localhost:15432")
	}
	return nil
}

// checkMessagesEndpoint takes https://HOST[:PORT] or a bare host, and http:// of
// this machine for an emulator: tokens go there.
func checkMessagesEndpoint(v string) error {
	raw := v
	if !strings.Contains(raw, "://") {
		raw = "https://" + raw
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil, !isHost(u.Hostname()), u.User != nil, strings.Trim(u.RequestURI(), "/") != "", u.Fragment != "",
		u.Scheme != "https" && u.Scheme != "http":
		return problem("%q is not an endpoint", v).hinted("write it as https://HOST, for example https://vpce-0123-abcd.ssmmessages.eu-central-1.vpce.amazonaws.com")
	case u.Scheme == "http" && !loopback.Is(u.Hostname()):
		return problem("%q is not encrypted", v).hinted("write it as https://HOST: only a loopback host works without TLS")
	}
	return nil
}

// secretName is a secret's name, of which RDS's own have an exclamation mark, and secretARN
// its ARN.
//
// Source: Secrets Manager API reference, API_CreateSecret.html, Name.
var (
	secretName = lazily(`^[A-Za-z0-9/_+=.@!-]{1,512}$`)
	secretARN  = lazily(`^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@!-]{1,519}$`)
)

func checkSecret(v string) error {
	if secretName().MatchString(v) || secretARN().MatchString(v) {
		return nil
	}
	return problem("%q is not the name or ARN of a secret", v).hinted("write the name or the ARN of a secret in AWS Secrets Manager, or managed")
}

func checkAddress(v string) error {
	if isHost(v) {
		return nil
	}
	e := problem("%q is not an address to listen on", v).hinted("give an IP address or host name of this machine, for example 127.0.0.1")
	if _, _, err := net.SplitHostPort(v); err == nil {
		e = e.hinted("give the port with --port")
	} else if bare := strings.Trim(v, "[]"); bare != v && isHost(bare) {
		e = e.hinted("write it without brackets: %s", bare)
	}
	return e
}

func setSocket(o *Options, v string) error {
	if v == "off" {
		v = SocketNone
	}
	return text(checkSocket, func(o *Options) *string { return &o.UnixSocket })(o, v)
}

func checkSocket(v string) error {
	if base := filepath.Base(v); strings.HasPrefix(base, ".s.PGSQL.") {
		return problem("%q names a socket, not a directory", v).hinted("give the directory; the socket in it is named .s.PGSQL.PORT, so that psql -h DIR finds it")
	}
	return nil
}

func checkRegion(v string) error {
	if partition.IsRegion(v) {
		return nil
	}
	return problem("%q is not the name of an AWS region", v).hinted("region names look like eu-central-1")
}

// isHost says whether v can be a host name or an IP address. A name may end in
// a dot and may hold underscores, which resolvers allow.
func isHost(v string) bool {
	if _, err := netip.ParseAddr(v); err == nil {
		return true
	}
	v = strings.TrimSuffix(v, ".")
	if v == "" || len(v) > 253 {
		return false
	}
	for label := range strings.SplitSeq(v, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, hostChars) != "" {
			return false
		}
	}
	return true
}

const hostChars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"

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

// serviceAccount is an entry of kubernetes-accounts: NAMESPACE/NAME, of which the name
// may be *.
//
// Source: Kubernetes docs, concepts/overview/working-with-objects/names.
var serviceAccount = lazily(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?/(\*|[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?)$`)

func setAccounts(r *Run, v string) error {
	for _, account := range strings.Split(v, ",") {
		if account != "*" && !serviceAccount().MatchString(account) {
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
