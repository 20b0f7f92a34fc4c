package causes

// What the proxy itself has to say to a client, and about a login.
var (
	LoginOverdue = Cause{
		Name: "login-overdue", SQLState: notReady,
		Message: "login not finished within {limit}",
		Detail:  "[{doing}]",
		Hint:    "try again: a paused or restarting database may need a minute; --login-timeout allows more time",
		Means:   "a paused Aurora cluster is waking up, or a firewall drops packets",
	}
	LoginLost = Cause{
		Name: "login-lost", SQLState: connectionLost,
		Message: "logging in to {database}: {said}",
		Hint:    "try again; if it persists, see the database's log",
		Means:   "the connection ended during the login: a restart, a failover, or a crash",
	}
	DatabaseLost = Cause{
		Name: "database-lost", SQLState: connectionLost,
		Message: "connection to {database} lost: {said}",
		Hint:    "reconnect, and check whether your last statement was committed; if it persists, see the database's log",
		Means:   "the connection ended without a message from the database: a crash, a failover, or a dropped connection",
	}
	ReadyLoginLost = Cause{
		Name: "ready-login-lost", SQLState: connectionLost,
		Message: "the session with {database} ended before its first query, and the database refuses a new one: {said}",
		Detail:  "[{told}]",
		Hint:    "{fix}",
		Means:   "a restart or a failover ended a ready login that a client had just got (`ready-logins`), and the database refuses to log the client in again",
	}
	LoginGarbled = Cause{
		Name: "login-garbled", SQLState: rejected,
		Message: "{database} {said}",
		Hint:    "check that host and port are those of a PostgreSQL server",
		Means:   "the server breaks the protocol",
	}
	NoUser = Cause{
		Name: "no-user", SQLState: invalidLogin,
		Message: "no user name in the StartupMessage",
		Hint:    "name a database user",
		Means:   "the client names no user, and the target has no option `user`",
	}
	BadStartup = Cause{
		Name: "bad-startup", SQLState: protocolViolation,
		Message: "invalid length of startup packet",
		Hint:    "this port speaks the PostgreSQL protocol, version 3",
		Means:   "not a PostgreSQL client, or start-up parameters of more than 10,000 bytes",
	}
	StartupTooLong = Cause{
		Name: "startup-too-long", SQLState: protocolViolation,
		Message: "the StartupMessage has {length} bytes, including what pgkeyless adds; the database accepts {limit} at most",
		Detail:  "the client sent {sent} of them",
		Hint:    "set fewer or shorter start-up parameters in the client, such as options (PGOPTIONS) and application_name",
		Means:   "the target's user, database and guards make a long StartupMessage longer than PostgreSQL accepts",
	}
	StartupGarbled = Cause{
		Name: "startup-garbled", SQLState: protocolViolation,
		Message: "{said}",
		Hint:    "this port speaks the PostgreSQL protocol, version 3",
		Means:   "the client breaks the protocol before its login",
	}
	OldProtocol = Cause{
		Name: "old-protocol", SQLState: unsupported,
		Message: "unsupported frontend protocol {version}: only 3.x is served",
		Hint:    "use a client that speaks the PostgreSQL protocol, version 3",
		Means:   "a client older than PostgreSQL 7.4",
	}
	OptionsMalformed = Cause{
		Name: "options-malformed", SQLState: "42601",
		Message: "the start-up parameter options is invalid: PostgreSQL does not accept its argument {number}",
		Hint:    "write each setting as -c name=value, with a backslash before every space in the value (libpq: options, PGOPTIONS)",
		Means:   "the client sends `options` that PostgreSQL would reject; pgkeyless reads them to set them after the login at an RDS Proxy",
	}
	SettingsRefused = Cause{
		Name: "settings-refused", SQLState: unsupported,
		Message: "{server} does not accept these start-up parameters: {parameters}",
		Detail:  "the target has rds-proxy-settings=refuse",
		Hint:    "remove them from the client's settings, or use rds-proxy-settings=set: pgkeyless then sets them after the login",
		Means:   "`rds-proxy-settings=refuse`, and the client sends start-up parameters or `options` that RDS Proxy does not accept",
	}
	SettingFailed = Cause{
		Name:   "setting-failed",
		Detail: "{server} does not accept these start-up parameters, so pgkeyless sets them after the login: {parameters}",
		Hint:   "correct or remove the parameter in the client's settings (options, PGOPTIONS); through an RDS Proxy, no client can use a parameter that only the start of a session sets",
		Means:  "the database refuses a start-up parameter of the client, which pgkeyless sets after the login at an RDS Proxy",
	}
	GuardFailed = Cause{
		Name:   "guard-failed",
		Detail: "{server} does not accept these start-up parameters, so pgkeyless sets them after the login: {parameters}",
		Hint:   "they come from the target's options read-only (default_transaction_read_only) and statement-timeout (statement_timeout): change or remove the one that the message names",
		Means:  "the database refuses `read-only` or `statement-timeout`, which pgkeyless sets after the login at an RDS Proxy",
	}
	SettingInterrupted = Cause{
		Name:   "setting-interrupted",
		Detail: "while pgkeyless set start-up parameters after the login",
		Hint:   "try again; if it persists, see the database's log",
		Means:  "RDS Proxy or its database ended the session while pgkeyless set start-up parameters; the parameters are not the reason",
	}
	NoSuchTarget = Cause{
		Name: "no-such-target", SQLState: rejected,
		Message: "no target {quoted word} on this port",
		Detail:  "the targets are {targets}",
		Hint:    nameTarget + "[; if the name itself has an @, add the target, as in NAME@{default}]",
		Means:   "what follows the last `@` of the user or the database, or precedes `.localhost` in the host, is no target of a shared port",
	}
	NoTarget = Cause{
		Name: "no-target", SQLState: rejected,
		Message: "this port serves several targets, and the client names none",
		Detail:  "the targets are {targets}",
		Hint:    nameTarget,
		Means:   "a shared port without a `--default-target`, and a client that does not say which target it means",
	}
	TargetsDiffer = Cause{
		Name: "targets-differ", SQLState: rejected,
		Message: "the {one} names the target {quoted target}, and the {other} names {quoted other}",
		Hint:    "name one target",
		Means:   "the client names two different targets",
	}
	TooManyClients = Cause{
		Name: "too-many-clients", SQLState: tooManyConnections,
		Message: "too many connections: the proxy is limited to {limit}",
		Hint:    "close another client, or raise --max-connections",
		Means:   "the maximum number of client connections is reached",
	}
	ShuttingDown = Cause{
		Name: "shutting-down", SQLState: shuttingDown,
		Message: "the proxy is shutting down",
		Hint:    "start it again, then reconnect",
		Means:   "a signal or `pgkeyless shutdown` ended pgkeyless",
	}
	OtherUser = Cause{
		Name: "other-user", SQLState: invalidLogin,
		Message: "this proxy is for {owner} only, and this client belongs to {user}",
		Hint:    "connect as {owner}; or let {owner} start pgkeyless with `--allow-users {user}`",
		Means:   "another user of this machine connected over TCP on loopback",
	}
	NeedsTLS = Cause{
		Name: "needs-tls", SQLState: invalidLogin,
		Message: "this proxy requires TLS",
		Hint:    "set `sslmode=require`, or `verify-full` with the CA of the proxy's certificate",
		Means:   "`require-tls` is set, or `auth` needs TLS, and the client does not use it",
	}
	ProxyHeaderUnexpected = Cause{
		Name: "proxy-header-unexpected", SQLState: protocolViolation,
		Message: "this proxy accepts no PROXY protocol header from this address",
		Hint:    "start pgkeyless with `--proxy-protocol` and the load balancer's address in `--proxy-protocol-from`, or configure the load balancer to send none",
		Means:   "a load balancer sends a PROXY protocol header, and pgkeyless does not trust its address",
	}
	ProxyHeaderMissing = Cause{
		Name: "proxy-header-missing", SQLState: protocolViolation,
		Message: "connections from {address} must begin with a PROXY protocol header",
		Hint:    "configure the load balancer to send one (HAProxy: `send-proxy-v2`), or remove its address from `--proxy-protocol-from`; on this machine, use the Unix socket",
		Means:   "a connection from an address in `proxy-protocol-from` begins without a header, or is silent for 10 s",
	}
	ProxyHeaderMalformed = Cause{
		Name: "proxy-header-malformed", SQLState: protocolViolation,
		Message: "the PROXY protocol header from {address} is invalid: {said}",
		Hint:    "configure the load balancer to send version 1 or 2 for TCP, with at most 4096 bytes",
		Means:   "a trusted load balancer sends a header that is too long, or of another kind",
	}
	PasswordWrong = Cause{
		Name: "password-wrong", SQLState: "28P01",
		Message: "password authentication failed for user {quoted user}",
		Detail:  "this proxy has its own passwords (auth={auth})",
		Hint:    "check the password; the operator of the proxy sets it in {file}",
		Means:   "a client of a proxy with `auth=scram` that has no password, or a wrong one",
	}
	LocalPasswordWrong = Cause{
		Name: "local-password-wrong", SQLState: "28P01",
		Message: "password authentication failed for user {quoted user}",
		Detail:  "this proxy asks for its local password (--local-password)",
		Hint:    "libpq reads it from {file}: pgkeyless's lines must come first there, and PGPASSWORD must not be set; for other clients `pgkeyless password --local` prints it",
		Means:   "a client of a proxy with `--local-password` that has another password, or does not read the password file",
	}
	CertificateMissing = Cause{
		Name: "certificate-missing", SQLState: invalidLogin,
		Message: "this proxy requires a client certificate, and the client presents none",
		Hint:    "set `sslcert` and `sslkey` to yours (libpq), and `sslmode=require` or stronger",
		Means:   "a client of a proxy with `auth=cert` that has no certificate",
	}
	CertificateRefused = Cause{
		Name: "certificate-refused", SQLState: invalidLogin,
		Message: "the client's certificate is not accepted: {said}",
		Hint:    "use a valid client certificate from a CA in the proxy's `client-ca-file`",
		Means:   "the certificate is from another CA, for another use, expired or revoked",
	}
	IdentityDiffers = Cause{
		Name: "identity-differs", SQLState: invalidLogin,
		Message: "{identity} may not connect as user {quoted user}",
		Hint:    "connect as {quoted identity}, or with a certificate that names {quoted user}",
		Means:   "the certificate names another user than the StartupMessage",
	}
	ServiceTokenRefused = Cause{
		Name: "service-token-refused", SQLState: "28P01",
		Message: "service-account token rejected for user {quoted user}: {said}",
		Detail:  "this proxy asks for a service-account token of Kubernetes as the password (auth=kubernetes)",
		Hint:    "read the token from the pod's projected volume for each connection, with the audience {audience}; `kubectl create token NAME --audience {audience}` makes one to try",
		Means:   "a client of a proxy with `auth=kubernetes` whose password is no token, or one that has expired, is for another audience or cluster, or belongs to a pod that is gone",
	}
	AccountRefused = Cause{
		Name: "account-refused", SQLState: invalidLogin,
		Message: "{identity} may not connect",
		Hint:    "ask the operator of the proxy to add {account} to `kubernetes-accounts`",
		Means:   "a valid token of a service account that `kubernetes-accounts` does not name",
	}
	TokenReviewDenied = Cause{
		Name: "token-review-denied", SQLState: rejected,
		Message: "the Kubernetes API server does not allow pgkeyless to review tokens: {said}",
		Hint:    "give pgkeyless's service account the ClusterRole system:auth-delegator: `kubectl create clusterrolebinding pgkeyless --clusterrole=system:auth-delegator --serviceaccount={account}`",
		Means:   "`auth=kubernetes`, and pgkeyless's own service account may not create TokenReviews",
	}
	APIServerUnreachable = Cause{
		Name: "api-server-unreachable", SQLState: cannotConnect,
		Message: "cannot check the token with the Kubernetes API server: {said}",
		Detail:  "asked: {server}",
		Hint:    "try again; if it keeps failing, check the network from pgkeyless to the API server, `kubernetes-ca-file`, and that pgkeyless's service account has the ClusterRole system:auth-delegator",
		Means:   "`auth=kubernetes`, and the API server is down, out of reach, or not the one meant",
	}
	TokenKeysUnreachable = Cause{
		Name: "token-keys-unreachable", SQLState: cannotConnect,
		Message: "cannot fetch the keys of issuer {issuer} to verify the token: {said}",
		Hint:    "try again; if it keeps failing, check the network from pgkeyless to the issuer, or give its keys as a file with `kubernetes-jwks-file`",
		Means:   "`auth=kubernetes` with `kubernetes-issuer`, and the issuer is down, out of reach, or does not publish its keys",
	}
	IdentityUnknown = Cause{
		Name: "identity-unknown", SQLState: invalidLogin,
		Message: "this proxy does not let {identity} in",
		Hint:    "ask the operator of the proxy to add {quoted identity} under `users:` in its config file",
		Means:   "a client that has proved who it is, and whose identity the config file does not map",
	}
	DatabaseUserBarred = Cause{
		Name: "database-user-barred", SQLState: invalidLogin,
		Message: "{identity} may not log in as database user {quoted user}",
		Hint:    "connect as {users}, or ask the operator of the proxy to add {quoted user} to its `database-users`",
		Means:   "a client whose entry under `users:` does not list the database user that it names",
	}
	TargetBarred = Cause{
		Name: "target-barred", SQLState: invalidLogin,
		Message: "{identity} may not use target {quoted target}",
		Hint:    "ask the operator of the proxy to add the target to `targets` of {quoted identity} under `users:`",
		Means:   "a client whose entry under `users:` does not list the target",
	}
	AuditFailed = Cause{
		Name: "audit-failed", SQLState: "58030",
		Message: "logins are refused while the audit log cannot be written: {said}",
		Hint:    "free space or restore access to the file that `audit-log` names, then reconnect",
		Means:   "`audit-log` names a file on a full or unreachable file system",
	}
	Disconnected = Cause{
		Name: "disconnected", SQLState: shuttingDown,
		Message: "the proxy ended this session on request",
		Detail:  "`pgkeyless disconnect` or the status page ended it",
		Hint:    "reconnect",
		Means:   "someone who runs this proxy ended the session",
	}
)

const nameTarget = "name the target after the user (USER@TARGET) or the database (DBNAME@TARGET), or connect with TLS to the host TARGET.localhost"

// Clients are the rows of this file.
func Clients() []Cause {
	return []Cause{
		LoginOverdue, LoginLost, DatabaseLost, ReadyLoginLost, DSQLSessionOver, LoginGarbled, NoUser, BadStartup, StartupTooLong, StartupGarbled, OldProtocol,
		OptionsMalformed, SettingsRefused, SettingFailed, GuardFailed, SettingInterrupted, NoSuchTarget, NoTarget, TargetsDiffer, TooManyClients, OtherUser, NeedsTLS, ProxyHeaderUnexpected, ProxyHeaderMissing, ProxyHeaderMalformed,
		PasswordWrong, LocalPasswordWrong, CertificateMissing, CertificateRefused, IdentityDiffers, IdentityUnknown, DatabaseUserBarred, TargetBarred,
		ServiceTokenRefused, AccountRefused, TokenReviewDenied, APIServerUnreachable, TokenKeysUnreachable, AuditFailed, ShuttingDown, Disconnected,
	}
}
