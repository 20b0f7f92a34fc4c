package config

import (
	"errors"
	"strings"
	"time"
)

// Options are the settings of one target.
type Options struct {
	// Via is the jump host: an SSM target (i-…, mi-…, ecs:…), what several go by
	// (tag:KEY=VALUE, asg:GROUP, ecs:CLUSTER/SERVICE), or ViaNone.
	Via string
	// Dial ("host:port") is connected to in place of the endpoint. Via is then
	// ViaNone. Empty: the endpoint itself.
	Dial string
	// User replaces the client's database user; empty passes the client's on.
	User string
	// Database is for clients that name none.
	Database string
	// Secret has the password of User, or of the master user: the name or the ARN of a
	// secret, or SecretManaged. Empty: all users log in with tokens.
	Secret string
	// Address is the host name or IP address to listen on, or Localhost.
	Address string
	// Port is the TCP port to listen on; 0 leaves the choice to the system. It is in
	// the name of the Unix socket, too.
	Port int
	// NoTCP says that there is the Unix socket alone.
	NoTCP bool
	// UnixSocket is the directory for the Unix socket. Empty means the per-user
	// runtime directory, SocketNone no socket at all.
	UnixSocket string
	// Region is the AWS region of the database and the jump host; empty means the
	// endpoint's own, or the SDK's when the endpoint's name holds none.
	Region string
	// Profile is a profile of the shared AWS configuration; empty leaves the
	// choice to the SDK.
	Profile string
	// CAFile is a PEM file of further trusted CA certificates, or empty.
	CAFile string
	// Sessions is how many SSM sessions the target may have in parallel.
	Sessions int
	// SessionAge is the age after which an SSM session takes no new connections;
	// 0: any age will do.
	SessionAge time.Duration
	// KeepAlive is KeepAliveConnected or KeepAliveOff.
	KeepAlive string
	// ReadyLogins is how many logins at most wait at the database for clients that will
	// come; ReadyLoginsDefault where nobody has said.
	ReadyLogins int
	// Warm starts an SSM session at the start of pgkeyless.
	Warm bool
	// MessagesEndpoint is a URL or host to which the websockets of SSM sessions go
	// in place of the one that AWS names; empty leaves it to AWS.
	MessagesEndpoint string
	// SSLNegotiation is how TLS with the database begins: SSLPostgres or
	// SSLDirect. Aurora DSQL has another default, so see Target.Says.
	SSLNegotiation string
	// ClusterEndpoint says which endpoint of a cluster is meant: EndpointWriter,
	// EndpointReader, or the identifier of an instance or custom endpoint.
	ClusterEndpoint string
	// ReadOnly logs clients in with default_transaction_read_only on.
	ReadOnly bool
	// RDSProxySettings says what becomes of a client's start-up parameters that an RDS
	// Proxy does not accept: SettingsSet, SettingsDrop or SettingsRefuse.
	RDSProxySettings string
	// StatementTimeout is set at login, in whole milliseconds; 0 leaves it to the
	// client and the database.
	StatementTimeout time.Duration
}

const (
	// ViaNone says that this machine reaches the database without a jump host.
	ViaNone = "none"
	// SocketNone says that no Unix socket is wanted.
	SocketNone = "none"

	// SecretManaged is the secret that RDS keeps for the master user.
	SecretManaged = "managed"

	// KeepAliveConnected keeps SSM sessions from the account's idle timeout while
	// a client is connected, KeepAliveOff never.
	KeepAliveConnected = "connected"
	KeepAliveOff       = "off"

	// ReadyLoginsDefault is ReadyLoginsUsual, but none where an RDS Proxy or DSQL is
	// the database.
	ReadyLoginsDefault = -1
	ReadyLoginsUsual   = 4
	maxReadyLogins     = 64

	// SSLPostgres begins TLS with an SSLRequest, SSLDirect at once, which
	// PostgreSQL 17 and later understand. The values are libpq's.
	SSLPostgres = "postgres"
	SSLDirect   = "direct"

	// SettingsSet sets start-up parameters after the login that an RDS Proxy does not
	// accept, SettingsDrop leaves them out, and SettingsRefuse refuses the client.
	SettingsSet    = "set"
	SettingsDrop   = "drop"
	SettingsRefuse = "refuse"

	// EndpointWriter and EndpointReader are the endpoints that a cluster has by
	// itself.
	EndpointWriter = "writer"
	EndpointReader = "reader"

	// AuthNone asks clients for nothing, AuthSCRAM for a password, AuthCert for a
	// certificate, AuthKubernetes for a service-account token.
	AuthNone       = "none"
	AuthSCRAM      = "scram"
	AuthCert       = "cert"
	AuthKubernetes = "kubernetes"
	// AuthLocal is for the local password; LocalPassword alone sets it.
	AuthLocal = "local-password"

	// maxSessions is more than one machine can make use of: 55 MB/s down.
	maxSessions = 64
)

// guardDetails are those of read-only and statement-timeout.
const guardDetails = "It overrides what the client asks for at login. A later `SET` by the client can change it. " +
	"Behind an RDS Proxy, [`RESET ALL` and `DISCARD ALL` remove it](../security.md#what-the-guards-are)."

// defaults are the options of a target about which nothing is said.
func defaults() Options {
	return Options{
		Address:          Localhost,
		Port:             5432,
		Sessions:         4,
		KeepAlive:        KeepAliveConnected,
		ReadyLogins:      ReadyLoginsDefault,
		SSLNegotiation:   SSLPostgres,
		ClusterEndpoint:  EndpointWriter,
		RDSProxySettings: SettingsSet,
	}
}

// Option is one setting as flags, variables and query strings know it.
type Option struct {
	Name    string   // as a flag without dashes
	Short   string   // the one-letter flag, or empty
	Aliases []string // further names that mean the same, for flags and query strings
	Value   string   // placeholder for the value in help texts; empty for a switch
	Usage   string   // what it means, in help texts, hints and the reference
	Details string   // what only the reference adds, in Markdown; or empty
	Default string   // in words; empty when there is none

	target func(*Options, string) error // set for settings of a target
	run    func(*Run, string) error     // set for settings of the process
	path   bool                         // in a file: relative to its directory
}

// NamesTarget says whether the option's value is a target, as a positional
// argument is.
func (o Option) NamesTarget() bool { return o.target == nil && o.run == nil }

// Path says whether the option's value is a path, which in a config file is relative to
// the file's directory.
func (o Option) Path() bool { return o.path }

// PerTarget says whether the option may differ between targets, and so may
// stand in a query string.
func (o Option) PerTarget() bool { return o.target != nil }

// InProjectFile reports whether a config file that was found in a project
// directory, and not named, may set the option to some value at least.
func (o Option) InProjectFile() bool {
	return mayBeFound(o.Name, "") || mayBeFound(o.Name, SocketNone) || mayBeFound(o.Name, "127.0.0.1") || mayBeFound(o.Name, SecretManaged)
}

// InFile reports whether a config file may set the option.
func (o Option) InFile() bool { return o.PerTarget() || o.run != nil && o.Name != "config-file" }

// Switch says whether the flag may stand without a value.
func (o Option) Switch() bool { return o.Value == "" }

// Same reports whether two values of the option name mean the same; "" is the
// default.
func Same(name, a, b string) bool {
	o, ok := find(name)
	if !ok || !o.PerTarget() {
		return a == b
	}
	mean := func(value string) (Options, error) {
		options := defaults()
		if value == "" {
			return options, nil
		}
		err := o.target(&options, value)
		return options, err
	}
	x, errX := mean(a)
	y, errY := mean(b)
	return a == b || errX == nil && errY == nil && x == y
}

// Variable is the environment variable for the option.
func (o Option) Variable() string {
	return variablePrefix + strings.ToUpper(strings.ReplaceAll(o.Name, "-", "_"))
}

// All lists every option in the order in which help shows them. A config file
// in a project directory may give those alone that mayBeFound lists.
func All() []Option {
	return []Option{
		{Name: "via", Value: "TARGET", Usage: "jump host: i-…, mi-…, tag:KEY=VALUE, asg:GROUP, ecs:CLUSTER/SERVICE or ecs:CLUSTER_TASK_RUNTIME; none if this machine reaches the database directly", Details: "Required unless `dial` is set, or the database is public: an Aurora express cluster named by its identifier or ARN, or Aurora DSQL. `i-…` is an EC2 instance, `mi-…` a hybrid node, `ecs:CLUSTER_TASK_RUNTIME` one container. The other forms name several hosts: `tag:KEY=VALUE`, `asg:GROUP` (an Auto Scaling group; also `autoscaling:GROUP`) and `ecs:CLUSTER/SERVICE`. See [targets and jump hosts](../targets.md#jump-hosts).", target: text(checkVia, func(o *Options) *string { return &o.Via })},
		{Name: "dial", Value: "HOST:PORT", Usage: "connect to this address instead of the endpoint (your own tunnel); the token and the certificate check still use the endpoint", Details: "Replaces `via`.", target: text(checkHostPort, func(o *Options) *string { return &o.Dial })},
		{Name: "user", Value: "NAME", Usage: "database user, instead of the one that the client names", Details: "For Aurora DSQL, pgkeyless's commands and the lines that it prints name `admin` if you name none.", Default: "the client's", target: text(nil, func(o *Options) *string { return &o.User })},
		{Name: "secret", Value: "NAME", Usage: "name or ARN of a secret in AWS Secrets Manager with the password of this user; managed for the master user's, which RDS keeps there", Details: "For a database user that is not granted `rds_iam`. It requires `user`, except with `managed`: without `user`, clients that name the master user log in with the password, and all others with IAM tokens. A config file found in a project directory can set `managed` only. See [users with a password](../passwords.md).", target: text(checkSecret, func(o *Options) *string { return &o.Secret })},
		{Name: "dbname", Value: "NAME", Usage: "database for clients that name none", Details: "libpq always names a database: if you give none, it uses the user name. Aurora DSQL has one database, `postgres`: clients that name their user instead get it, too.", Default: "the user name; postgres for Aurora DSQL", target: text(nil, func(o *Options) *string { return &o.Database })},
		{Name: "address", Short: "a", Value: "HOST", Usage: "address to listen on", Details: "One address, or `localhost` for both loopback addresses. A config file found in a project directory can set loopback addresses only.", Default: "127.0.0.1 and ::1", target: text(checkAddress, func(o *Options) *string { return &o.Address })},
		{Name: "port", Short: "p", Aliases: []string{"local-port"}, Value: "N", Usage: "port to listen on; later targets count up, 0 picks a free port, none serves the Unix socket only", Details: "`--port` and `PGKEYLESS_PORT` override the ports of targets in the config file, and a warning names those targets.", Default: "5432", target: setPort},
		{Name: "unix-socket", Short: "u", Value: "DIR", Usage: "directory for the Unix socket .s.PGSQL.PORT, or none", Details: "pgkeyless creates the last part of the path if it is missing. A config file found in a project directory can set `none` only.", Default: "a per-user runtime directory", path: true, target: setSocket},
		{Name: "region", Aliases: []string{"aws-region"}, Value: "NAME", Usage: "AWS region of the database and the jump host", Default: "the endpoint's own, else AWS_REGION or the profile's", target: text(checkRegion, func(o *Options) *string { return &o.Region })},
		{Name: "profile", Aliases: []string{"aws-profile"}, Value: "NAME", Usage: "profile in the shared AWS configuration", Default: "as the AWS CLI chooses", target: text(nil, func(o *Options) *string { return &o.Profile })},
		{Name: "ca-file", Value: "FILE", path: true, Usage: "PEM file of additional CA certificates to trust", target: text(nil, func(o *Options) *string { return &o.CAFile })},
		{Name: "sessions", Value: "N", Usage: "maximum number of parallel SSM sessions; each carries about 0.9 MB/s down", Details: "1 to 64. Connections on one session slow each other down. pgkeyless keeps one spare session while the target is in use. When more than twice `N` connections come within a second, they share the sessions that are up.", Default: "4", target: setSessions},
		{Name: "session-age", Value: "DURATION", Usage: "stop putting new connections on SSM sessions older than this; a new session resolves the endpoint again", Details: "A minute at least; `0s` means any age.", Default: "any age", target: setSessionAge},
		{Name: "warm", Usage: "start an SSM session when pgkeyless starts, not when the first client comes", Details: "It ends after five minutes without a client, like every session. A reload starts none.", target: flagged(func(o *Options) *bool { return &o.Warm })},
		{Name: "keep-alive", Value: "WHEN", Usage: "connected: keep SSM sessions past the account's idle timeout while a client is connected; or off", Details: "With `off`, sessions outlive the idle timeout only while a client waits for an answer, and there is no spare session.", Default: "connected", target: text(oneOf(KeepAliveConnected, KeepAliveOff), func(o *Options) *string { return &o.KeepAlive })},
		{Name: "ready-logins", Value: "N", Usage: "maximum number of logins kept ready at the database for the next clients, for a minute at most; 0 for none", Details: "0 to 64. See [ready logins](../ready-logins.md). For an RDS Proxy and DSQL, set a number to turn them on.", Default: "4; none for an RDS Proxy and DSQL", target: setReadyLogins},
		{Name: "ssmmessages-endpoint", Value: "URL", Usage: "open the websockets of SSM sessions at this host instead of the one that AWS names: https://HOST of a VPC endpoint", Details: "For VPC endpoints without private DNS. `http://` is allowed for loopback addresses only. `AWS_ENDPOINT_URL_SSMMESSAGES` sets it for all targets.", Default: "AWS_ENDPOINT_URL_SSMMESSAGES, else AWS's own", target: text(checkMessagesEndpoint, func(o *Options) *string { return &o.MessagesEndpoint })},
		{Name: "sslnegotiation", Value: "HOW", Usage: "how TLS with the database starts: postgres, or direct (PostgreSQL 17 and later), which saves a round trip", Details: "With Aurora DSQL, the default is `direct` with a fallback to `postgres` if the server does not support it; pgkeyless remembers which one worked.", Default: "postgres; direct first for Aurora DSQL", target: text(oneOf(SSLPostgres, SSLDirect), func(o *Options) *string { return &o.SSLNegotiation })},
		{Name: "endpoint", Value: "WHICH", Usage: "endpoint of a cluster: writer, reader, or the identifier of an instance or custom endpoint", Details: "For clusters and RDS Proxies that you name by identifier or ARN; a proxy has `reader`, and the identifiers of its additional endpoints.", Default: "writer", target: text(checkClusterEndpoint, func(o *Options) *string { return &o.ClusterEndpoint })},
		{Name: "read-only", Usage: "log clients in with default_transaction_read_only on", Details: guardDetails, target: flagged(func(o *Options) *bool { return &o.ReadOnly })},
		{Name: "statement-timeout", Value: "DURATION", Usage: "log clients in with this statement_timeout; 0s for none", Details: guardDetails, Default: "the client's and the database's", target: setStatementTimeout},
		{Name: "rds-proxy-settings", Value: "HOW", Usage: "what happens to a client's start-up parameters that an RDS Proxy does not accept: set (after the login), drop or refuse", Details: "For targets that are an RDS Proxy. See [RDS Proxy](../howto/rds-proxy.md).", Default: "set", target: text(oneOf(SettingsSet, SettingsDrop, SettingsRefuse), func(o *Options) *string { return &o.RDSProxySettings })},

		{Name: "rds-instance", Value: "ID", Usage: "a target: an RDS instance by its identifier"},
		{Name: "rds-cluster", Value: "ID", Usage: "a target: an Aurora cluster by its identifier"},

		{Name: "shared-port", Usage: "one port for all targets without a port of their own; clients choose by USER@TARGET, DBNAME@TARGET or the TLS server name TARGET.localhost", Details: "See [several targets on one port](../shared-port.md).", run: flagged(func(r *Run) *bool { return &r.SharedPort })},
		{Name: "default-target", Value: "NAME", Usage: "target on the shared port for clients that name none", run: func(r *Run, v string) error { r.DefaultTarget = v; return nil }},
		{Name: "max-connections", Value: "N", Usage: "maximum number of client connections to all targets together; 0 for no limit", Details: "Further clients get SQLSTATE 53300. Cancel requests always get through.", Default: "no limit", run: setMaxConnections},
		{Name: "allow-users", Value: "NAMES", Usage: "users of this machine who may connect over TCP on localhost, separated by commas; or any", Default: "you and root", run: setAllowUsers},
		{Name: "local-password", Usage: "ask clients over TCP for one password, which is kept in ~/.pgpass, where libpq finds it", Details: "`pgkeyless password --local` prints it. See [one password of your own](../authentication.md#one-password-of-your-own---local-password).", run: flagged(func(r *Run) *bool { return &r.LocalPassword })},
		{Name: "auth", Value: "HOW", Usage: "how clients over TCP prove who they are: none, scram, cert or kubernetes", Details: "See [how clients prove who they are](../authentication.md).", Default: "none", run: setAuth},
		{Name: "auth-file", Value: "FILE", path: true, Usage: "for auth=scram: users and verifiers in the format of PgBouncer's userlist.txt; `pgkeyless password` creates a line", run: fileOf(func(r *Run) *string { return &r.AuthFile })},
		{Name: "client-ca-file", Value: "FILE", path: true, Usage: "for auth=cert: PEM file of the CAs that issue client certificates", run: fileOf(func(r *Run) *string { return &r.ClientCAFile })},
		{Name: "client-crl-file", Value: "FILE", path: true, Usage: "for auth=cert: PEM file of revoked certificates", run: fileOf(func(r *Run) *string { return &r.ClientCRLFile })},
		{Name: "kubernetes-accounts", Value: "NAMES", Usage: "for auth=kubernetes: service accounts that may connect, NAMESPACE/NAME or NAMESPACE/*, separated by commas; or *", Default: "those that users in the config file lists", Details: "See [service accounts](../authentication.md#service-accounts---auth-kubernetes).", run: setAccounts},
		{Name: "kubernetes-audience", Value: "NAME", Usage: "for auth=kubernetes: audience that tokens must have", Default: defaultAudience, run: setAudience},
		{Name: "kubernetes-server", Value: "URL", Usage: "for auth=kubernetes: URL of the API server that reviews tokens", Default: "the pod's own", run: httpsURL(func(r *Run) *string { return &r.Kubernetes.Server })},
		{Name: "kubernetes-ca-file", Value: "FILE", path: true, Usage: "for auth=kubernetes: PEM file of the CAs of the API server or issuer", Default: "the pod's own for its API server, else the system's", run: fileOf(func(r *Run) *string { return &r.Kubernetes.CAFile })},
		{Name: "kubernetes-token-file", Value: "FILE", path: true, Usage: "for auth=kubernetes: file of the token with which pgkeyless authenticates to the API server; read again when it changes", Default: "the pod's own", run: fileOf(func(r *Run) *string { return &r.Kubernetes.TokenFile })},
		{Name: "kubernetes-issuer", Value: "URL", Usage: "for auth=kubernetes: verify tokens with the keys of this issuer instead of asking the API server", run: httpsURL(func(r *Run) *string { return &r.Kubernetes.Issuer })},
		{Name: "kubernetes-jwks-file", Value: "FILE", path: true, Usage: "for kubernetes-issuer: file of its keys, as `kubectl get --raw /openid/v1/jwks` prints them; read again when it changes", Default: "fetched from the issuer", run: fileOf(func(r *Run) *string { return &r.Kubernetes.JWKSFile })},
		{Name: "tls-cert", Value: "FILE", path: true, Usage: "PEM file of the certificate to present to clients, and its chain; read again when it changes", Default: "issued by your own CA", run: fileOf(func(r *Run) *string { return &r.TLSCert })},
		{Name: "tls-key", Value: "FILE", path: true, Usage: "PEM file of the private key for tls-cert", run: fileOf(func(r *Run) *string { return &r.TLSKey })},
		{Name: "require-tls", Usage: "refuse clients over TCP that do not use TLS", run: flagged(func(r *Run) *bool { return &r.RequireTLS })},
		{Name: "allow-anyone", Usage: "listen beyond localhost without authentication: anyone who reaches the port is logged in", run: flagged(func(r *Run) *bool { return &r.AllowAnyone })},
		{Name: "audit-log", Value: "FILE", path: true, Usage: "append a JSON line to this file for each login, refusal, cancel request and end of a session; - for stdout", Details: "See [the audit log](../audit.md).", run: fileOf(func(r *Run) *string { return &r.AuditLog })},
		{Name: "peers", Value: "NAME[:PORT]", Usage: "DNS name of all replicas: cancel requests with unknown keys are forwarded to them", Details: "See [several replicas](../gateway.md#cancel-requests).", run: setPeers},
		{Name: "forward-cancels", Usage: "forward cancel requests with unknown keys to the database, which checks the key", Details: "See [several replicas](../gateway.md#cancel-requests).", run: flagged(func(r *Run) *bool { return &r.ForwardCancels })},
		{Name: "proxy-protocol", Usage: "connections from a load balancer begin with a PROXY protocol header, version 1 or 2, that reports the client's address", Details: "See [who may send a header](../gateway.md#who-may-send-a-header).", run: flagged(func(r *Run) *bool { return &r.ProxyProtocol })},
		{Name: "proxy-protocol-from", Value: "CIDRS", Usage: "addresses of the load balancers that proxy-protocol trusts, separated by commas: 10.0.0.5, 10.1.0.0/24", Default: "localhost", run: setProxyProtocolFrom},
		{Name: "health-check", Usage: "serve the probes /startup, /readiness and /liveness over HTTP", Details: "See [probes](../operating.md#probes).", run: flagged(func(r *Run) *bool { return &r.HealthCheck })},
		{Name: "prometheus", Usage: "serve metrics for Prometheus at /metrics over HTTP", Details: "See [metrics](../metrics.md).", run: flagged(func(r *Run) *bool { return &r.Prometheus })},
		{Name: "prometheus-namespace", Value: "NAME", Usage: "prefix of metric names", Default: defaultNamespace, run: setNamespace},
		{Name: "status-page", Usage: "serve a status page for this machine over HTTP", Details: "See [the status page](../status-page.md).", run: flagged(func(r *Run) *bool { return &r.StatusPage })},
		{Name: "http-address", Value: "HOST", Usage: "address for probes, metrics and the status page", Default: Localhost, run: setHTTPAddress},
		{Name: "http-port", Value: "N", Usage: "port for probes, metrics and the status page", Default: "9090", run: setPortOf(func(r *Run) *int { return &r.HTTPPort })},
		{Name: "unready-when-full", Usage: "fail the readiness probe while max-connections are open", run: flagged(func(r *Run) *bool { return &r.UnreadyWhenFull })},
		{Name: "debug", Usage: "serve profiles of the process at /debug/pprof/ on the admin port", run: flagged(func(r *Run) *bool { return &r.Debug })},
		{Name: "quitquitquit", Usage: "let POST /quitquitquit on the admin port end the proxy", run: flagged(func(r *Run) *bool { return &r.QuitQuitQuit })},
		{Name: "admin-port", Value: "N", Usage: "port on localhost for --debug and --quitquitquit", Default: "9091", run: setPortOf(func(r *Run) *int { return &r.AdminPort })},
		{Name: "config-file", Value: "FILE", Usage: "YAML file with targets and options, or none", Details: "See [the config file](config-file.md).", Default: "pgkeyless.yaml in this directory or above, else your own", run: setConfigFile},
		{Name: "login-timeout", Value: "DURATION", Usage: "maximum time for a login; allow more for a paused Aurora cluster or for typing an MFA code", Details: "A second at least. A `credential_process` has the same time. All attempts count, such as those while a [password](../passwords.md) is rotated.", Default: "1m", run: setLoginTimeout},
		{Name: "mfa-command", Value: "CMD", Usage: "command that prints the MFA code for a role; split at spaces, run without a shell", Details: "`PGKEYLESS_MFA_SERIAL` and `PGKEYLESS_MFA_PROFILE` tell the command which code to print.", Default: "ask on the terminal", run: func(r *Run, v string) error { r.MFACommand = v; return nil }},
		{Name: "sso-login", Usage: "open the browser once to log in when an SSO session has expired", Details: "One login serves all clients that wait for it. pgkeyless also prints the address and the code of the login page.", run: flagged(func(r *Run) *bool { return &r.SSOLogin })},
		{Name: "structured-logs", Short: "l", Usage: "log JSON lines with severity, message and timestamp", run: flagged(func(r *Run) *bool { return &r.StructuredLogs })},
		{Name: "debug-logs", Usage: "log more", run: flagged(func(r *Run) *bool { return &r.DebugLogs })},
		{Name: "quiet", Usage: "log errors only", run: flagged(func(r *Run) *bool { return &r.Quiet })},
		{Name: "min-sigterm-delay", Value: "DURATION", Usage: "keep accepting clients for this long after SIGTERM", Default: "0s", run: delay(func(r *Run) *time.Duration { return &r.MinSigtermDelay })},
		{Name: "max-sigterm-delay", Value: "DURATION", Usage: "let open sessions end for at most this long after the first signal", Default: "30s", run: delay(func(r *Run) *time.Duration { return &r.MaxSigtermDelay })},
		{Name: "ready-fd", Value: "N", Usage: "file descriptor that receives a line of JSON for each listener once pgkeyless is ready, and is then closed", Details: "Not on Windows. See [ready lines](../service.md#ready-lines-for-scripts).", run: setReadyFD},
		{Name: "exit-zero-on-sigterm", Usage: "exit 0 instead of 143 after SIGTERM", run: flagged(func(r *Run) *bool { return &r.ExitZeroOnSigterm })},
	}
}

// Canonical is the option's own name for a name or alias, or empty for a name
// that no option has.
func Canonical(name string) string {
	o, ok := find(name)
	if !ok {
		return ""
	}
	return o.Name
}

func find(name string) (Option, bool) {
	for _, o := range All() {
		if o.Name == name {
			return o, true
		}
		for _, a := range o.Aliases {
			if a == name {
				return o, true
			}
		}
	}
	return Option{}, false
}

// placed says of err, a setter's, where the value stood and what the option
// takes.
func (o Option) placed(err error, source string) error {
	if err == nil {
		return nil
	}
	e, ok := errors.AsType[*Error](err)
	if !ok {
		e = problem("%v", err)
	}
	e.Source = source
	if e.hint == "" {
		e.hint = o.Name + ": " + o.Usage
	}
	return e
}
