package config

import "time"

// Run holds the settings of the whole process.
type Run struct {
	// ConfigFile is the config file in use, or empty.
	ConfigFile string

	StructuredLogs bool // JSON lines
	DebugLogs      bool
	Quiet          bool // errors only

	// MinSigtermDelay is how long after SIGTERM new clients are still accepted.
	MinSigtermDelay time.Duration
	// MaxSigtermDelay bounds the wait for sessions to end, counted from the
	// signal. It is never shorter than MinSigtermDelay.
	MaxSigtermDelay   time.Duration
	ExitZeroOnSigterm bool

	// ReadyFD is the open file descriptor that gets a line for each listener; 0 is
	// none.
	ReadyFD int

	// MaxConnections bounds the clients of all targets together; 0 does not.
	MaxConnections int
	// AllowUsers are users of this machine who may connect over TCP on loopback, beside
	// the one who runs pgkeyless: names or numbers, or "any". Commas separate them.
	AllowUsers string
	// Auth is how clients over TCP prove who they are: AuthNone, AuthSCRAM, AuthCert,
	// AuthKubernetes or AuthLocal.
	Auth string
	// AuthFile has the verifiers of AuthSCRAM; ClientCAFile and ClientCRLFile the CAs and
	// CRLs of AuthCert.
	AuthFile, ClientCAFile, ClientCRLFile string
	// LocalPassword asks them for a password that the user's password file has.
	LocalPassword bool
	// Kubernetes is for AuthKubernetes.
	Kubernetes Kubernetes
	// TLSCert and TLSKey are files of the certificate that clients are shown; empty for
	// one of the user's own CA.
	TLSCert, TLSKey string
	RequireTLS      bool // of clients over TCP
	// Peers is a DNS name, with or without a port, of all replicas, to which cancel requests
	// with unknown keys are forwarded; ForwardCancels sends them to the database.
	Peers          string
	ForwardCancels bool
	// ProxyProtocol has connections from ProxyProtocolFrom, addresses and CIDRs with commas
	// between them (empty: loopback), begin with a PROXY protocol header.
	ProxyProtocol     bool
	ProxyProtocolFrom string
	// AuditLog is the file for a line about each login, refusal, cancel and end, "-" for
	// stdout, or empty.
	AuditLog string
	// AllowAnyone lets listeners beyond loopback be open to whoever reaches them.
	AllowAnyone bool
	// LoginTimeout bounds a client's login, from its connection to the first
	// ReadyForQuery; 0 is the proxy's own bound.
	LoginTimeout time.Duration

	// HealthCheck, Prometheus and StatusPage are what is served over HTTP at
	// HTTPAddress and HTTPPort.
	HealthCheck, Prometheus, StatusPage bool
	PrometheusNamespace                 string // goes before the names of metrics
	HTTPAddress                         string
	HTTPPort                            int
	// Debug and QuitQuitQuit are what is served over HTTP on loopback at AdminPort.
	Debug, QuitQuitQuit bool
	AdminPort           int
	// UnreadyWhenFull fails the readiness probe while MaxConnections are open.
	UnreadyWhenFull bool

	// MFACommand prints the code of an MFA device; empty asks on the terminal. It
	// is words at spaces, for no shell.
	MFACommand string
	// SSOLogin starts a login in the browser when an SSO session has expired.
	SSOLogin bool

	// SharedPort puts all targets that name no port of their own on one, where
	// clients choose by name. DefaultTarget is for clients that name none.
	SharedPort    bool
	DefaultTarget string
}

// Kubernetes says which service accounts may connect, and who checks their tokens.
type Kubernetes struct {
	Accounts string // NAMESPACE/NAME, NAMESPACE/* or *; commas separate them
	Audience string // of tokens
	// Server is the API server's URL; empty for that of the pod. TokenFile has the token
	// by which it knows pgkeyless, CAFile its CAs, or the issuer's.
	Server, TokenFile, CAFile string
	// Issuer is the URL of the issuer whose keys verify tokens without the API server;
	// JWKSFile has the keys, which are fetched from Issuer where it is empty.
	Issuer, JWKSFile string
}

// defaultAudience is what tokens of service accounts must be for.
const defaultAudience = "pgkeyless"

// defaultNamespace is the prefix of the names of metrics.
const defaultNamespace = "pgkeyless"

// defaultRun are the options of the process about which nothing is said.
func defaultRun() Run {
	return Run{
		MaxSigtermDelay:     30 * time.Second,
		PrometheusNamespace: defaultNamespace,
		HTTPAddress:         Localhost,
		HTTPPort:            9090,
		AdminPort:           9091,
		Auth:                AuthNone,
		Kubernetes:          Kubernetes{Audience: defaultAudience},
	}
}
