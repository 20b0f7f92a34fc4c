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
