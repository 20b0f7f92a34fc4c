package causes

const (
	// attempt is the DETAIL of every refused login.
	attempt = `tried to log in to {database} as user "{user}" with an IAM token[ of {identity}], ` +
		"signed for {endpoint} in {region}[, jump host {jump host}][; {clock}]"
	// admitted is the DETAIL of what is refused behind a login.
	admitted = `the login succeeded, as user "{user}" at {endpoint}`
	grant    = `GRANT rds_iam TO {quoted user}`
	// only is said wherever rds_iam is: granted to the master user, it locks out
	// everybody who knows that user's password.
	only = "a user with rds_iam can log in with IAM tokens only, so do not grant it to a master user whose password is in use"
	// bySecret is how to log in as such a user all the same.
	bySecret = "; to log in with the user's password, store it in Secrets Manager and set user={user} and secret=NAME"
)

// The database, RDS Proxy, DSQL or Redshift refuses a login. What they say is
// kept and comes first; where they give no DETAIL or HINT, these are added.
//
// Sources: RDS user guide, UsingWithRDS.IAMDBAuth.Troubleshooting.html and
// rds-proxy.troubleshooting.html.
var (
	ClockWrong = Cause{
		Name:   "clock-wrong",
		Detail: attempt,
		Hint:   "set this machine's clock: {clock}, and a token is valid for 15 minutes after it is signed",
		Means:  "a refused token, and AWS's clock is more than 5 minutes from this machine's",
	}
	IAMOff = Cause{
		Name:   "iam-authentication-off",
		Detail: attempt,
		Hint:   "IAM authentication is switched off: `{command}` switches it on",
		Means:  "a refused token, and RDS says that the database takes none",
	}
	RegionGuessed = Cause{
		Name:   "region-guessed",
		Detail: attempt,
		Hint: "the endpoint's name has no region, so the token is for {region} from the AWS configuration: if the database is elsewhere, give its region with --region; " +
			"otherwise the policy must allow rds-db:connect on {resource}",
		Means: "a refused token for an endpoint name without a region, which pgkeyless had to assume",
	}
	TokenRefused = Cause{
		Name: "token-refused", Says: "authentication failed for user", Passing: true,
		Detail: attempt,
		Hint: "[AWS itself says: {keys}; otherwise ]check in this order: the identity's policies allow rds-db:connect on the database's resource id (not its name; a restore changes it) " +
			"and this user, as {statement}; IAM authentication is on; the user is granted rds_iam; this machine's clock is right; temporary AWS keys have not expired (pgkeyless can sign with expired keys too); user names are case-sensitive",
		Means: "RDS refused the token (`PAM authentication failed`): policy, resource id, user, region, clock, expired AWS keys, or IAM authentication switched off",
	}
	UserNotGranted = Cause{
		Name: "user-not-granted", Says: "password authentication failed",
		Detail: attempt,
		Hint:   "the user is probably not granted rds_iam, or does not exist (names are case-sensitive): " + grant + " (" + only + ")" + bySecret,
		Means:  "the database checked the token as a password: the user is not in `rds_iam`",
	}
	OtherPassword = Cause{
		Name: "other-password", SQLState: invalidLogin,
		Message: `{database} asks for {asked} for user "{user}", not for an IAM token`,
		Detail:  "for a user with rds_iam, it would ask for a clear-text password, which is the token",
		Hint:    "the user is probably not granted rds_iam, or does not exist (names are case-sensitive): " + grant + " (" + only + ")" + bySecret,
		Means:   "the database asks for another password (SCRAM, MD5): the user is not in `rds_iam`, or does not exist",
	}
	MasterUser = Cause{
		Name:   "master-user",
		Detail: attempt,
		Hint: "log in as a user that is granted rds_iam: CREATE USER name WITH LOGIN; GRANT rds_iam TO name; " +
			`"postgres" is usually the master user, and here it has a password: to let it log in with IAM tokens, grant it rds_iam, or set ` +
			"MasterUserAuthenticationType to iam-db-auth, which removes that password; to log in with the password, " +
			"set secret=managed, if RDS keeps it in Secrets Manager, or secret=NAME",
		Means: "the same for `postgres`, if its password may still be in use",
	}
	TargetNotServed = Cause{
		Name:   "target-not-served",
		Detail: attempt,
		Hint: `there is no target "{word}" here, the targets are {targets}; if "{user}" is the full user name, ` +
			"check that the user exists and is granted rds_iam[; {rest}]",
		Means: "an unknown user of a shared port whose name ends in `@` and a word, as an address does, or a mistyped target",
	}
	NoLogin = Cause{
		Name: "no-login", Says: "is not permitted to log in",
		Detail: attempt,
		Hint:   `ALTER ROLE {quoted user} WITH LOGIN`,
		Means:  "the role exists and may not log in",
	}
	NoRole = Cause{
		Name: "no-role", Says: "does not exist",
		Detail: attempt,
		Hint:   `CREATE USER {quoted user} WITH LOGIN; ` + grant + "; names are case-sensitive",
		Means:  "there is no such user (only some servers say so)",
	}
	NoDatabase = Cause{
		Name:   "no-database",
		Detail: admitted,
		Hint: "check the database's name, which is case-sensitive: connect to postgres and list the databases with \\l; a client that names none gets the user's name; " +
			"--dbname sets another default",
		Means: "the login succeeded, and the server has no database of that name",
	}
	NoConnect = Cause{
		Name: "no-connect", Says: "permission denied for database",
		Detail: admitted,
		Hint:   "GRANT CONNECT on this database to {quoted user}, or connect to another one",
		Means:  "the login succeeded, and the user may not connect to this database",
	}
	NoEncryption = Cause{
		Name: "no-encryption", Says: "no encryption",
		Detail: attempt,
		Hint:   "pgkeyless always uses TLS: something between it and the database removes it",
		Means:  "`pg_hba.conf` requires TLS; ignore psql's second attempt, which is without TLS",
	}
	SSLOff = Cause{
		Name: "ssl-off", Says: "ssl off",
		Detail: attempt,
		Hint:   "pgkeyless always uses TLS: something between it and the database removes it",
		Means:  "the same from PostgreSQL 13 and earlier",
	}
	NoEntry = Cause{
		Name: "no-pg-hba-entry", Says: "pg_hba.conf",
		Detail: attempt,
		Hint:   "no rule of RDS allows this user or database: replication connections, for example, have no IAM login",
		Means:  "no rule of `pg_hba.conf` fits, or one rejects",
	}
	AuthenticationSlow = Cause{
		Name: "authentication-slow", Says: "canceling authentication due to timeout",
		Detail: attempt,
		Hint:   "the database's IAM check takes too long: it may be short of memory, or logins come faster than it can check them; reconnect",
		Means:  "the database's authentication agent does not answer",
	}
	RedshiftRefused = Cause{
		Name: "redshift-refused", Says: "iam authentication failed",
		Detail: attempt,
		Hint:   "this is Redshift, which issues temporary users and passwords instead of IAM tokens: connect to it directly",
		Means:  "the target is Redshift",
	}
	DSQLRefused = Cause{
		Name: "dsql-refused", Says: "unable to accept connection, access denied",
		Detail: attempt,
		Hint: `the identity's policies must allow {missing}, as {statement}; a database role other than admin must be linked to the IAM role: ` +
			`AWS IAM GRANT {quoted user} TO '{role}' (with the role's path, if it has one); a client that names no user logs in as its OS user: name one (psql -U admin)`,
		Means: "DSQL refused the token; its own HINT, when it gives one, says why",
	}
)

// RDS Proxy refuses.
var (
	ProxyBusy = Cause{
		Name: "rds-proxy-busy", Says: "too many competing requests",
		Detail: attempt,
		Hint:   "RDS Proxy checks only so many IAM logins at a time: open fewer connections at once, then reconnect",
		Means:  "too many IAM logins at the proxy at the same time",
	}
	ProxyTokenRefused = Cause{
		Name: "rds-proxy-token-refused", Says: "check the iam token", Passing: true,
		Detail: attempt,
		Hint:   "the policy must allow rds-db:connect on the proxy's own resource id (prx-…), not the database's, as {statement}; IAM authentication must be on in the proxy",
		Means:  "RDS Proxy refused the token",
	}
	ProxyNoSecret = Cause{
		Name: "rds-proxy-no-secret", Says: "has no credentials for the role",
		Detail: attempt,
		Hint: `RDS Proxy logs in to the database with a secret of Secrets Manager, and has none for "{user}": add one to the proxy (modify-db-proxy --auth), ` +
			"or let it use IAM end to end",
		Means: "the proxy has no secret for this user",
	}
	ProxyWrongSecret = Cause{
		Name: "rds-proxy-wrong-secret", Says: "the password that was provided for the role",
		Detail: attempt,
		Hint: `either RDS Proxy's secret for "{user}" has another password than the database: store the right one in it; ` +
			"or its IAMAuth is DISABLED, so that the proxy took the token for a password: set it to REQUIRED (modify-db-proxy --auth)",
		Means: "the password in the proxy's secret is out of date, or the proxy took the token for a password",
	}
	ProxyWantsTLS = Cause{
		Name: "rds-proxy-tls", Says: "requires tls connections",
		Detail: attempt,
		Hint:   "pgkeyless always uses TLS: something between it and the proxy removes it",
		Means:  "RDS Proxy got a connection without TLS",
	}
	ProxyWantsSSL = Cause{
		Name: "rds-proxy-ssl", Says: "allowed only with ssl connections",
		Detail: attempt,
		Hint:   "pgkeyless always uses TLS: something between it and the proxy removes it",
		Means:  "the same for an IAM login",
	}
	ProxyAuthentication = Cause{
		Name: "rds-proxy-authentication", Says: "supports only iam",
		Detail: attempt,
		Hint:   "switch IAM authentication on for this user in the proxy (modify-db-proxy --auth, IAMAuth REQUIRED)",
		Means:  "the proxy wants another way to log in than the client's",
	}
	ProxyOption = Cause{
		Name: "rds-proxy-option", Says: "support the option",
		Detail: attempt,
		Hint:   "RDS Proxy accepts few start-up parameters; pgkeyless sets the others after the login if the target is named by the proxy's identifier or AWS endpoint: name it so, or remove the parameter from the client's settings",
		Means:  "the client sends a start-up parameter that RDS Proxy does not accept",
	}
	ProxyCommandLine = Cause{
		Name: "rds-proxy-command-line", Says: "support command-line options",
		Detail: attempt,
		Hint:   "pgkeyless sets them after the login if the target is named by the proxy's identifier or AWS endpoint: name it so, or remove options (PGOPTIONS, options=-c…) from the client's settings",
		Means:  "the client sends `options`, which RDS Proxy does not accept",
	}
	ProxyReplication = Cause{
		Name: "rds-proxy-replication", Says: "support streaming replication",
		Detail: attempt,
		Hint:   "replication goes to the database itself, and not by IAM: connect to its own endpoint with a password",
		Means:  "a replication connection through RDS Proxy",
	}
	ProxyProtocol = Cause{
		Name: "rds-proxy-protocol", Says: "supports only version 3.0",
		Detail: attempt,
		Hint:   "pgkeyless speaks 3.0 with the proxy if the target is named by the proxy's identifier or AWS endpoint: name it so, or let the client speak 3.0 (libpq 18: max_protocol_version=3.0)",
		Means:  "a client with a newer protocol version through RDS Proxy",
	}
	ProxyPoolEmpty = Cause{
		Name: "rds-proxy-pool-empty", Says: "timed-out waiting to acquire database connection",
		Detail: attempt,
		Hint: "the proxy gets no connection to its database: see the targets' health (describe-db-proxy-targets), MaxConnectionsPercent, " +
			"and pinned or long transactions",
		Means: "the proxy's pool is exhausted, or it cannot reach its database",
	}
	ProxyRate = Cause{
		Name: "rds-proxy-rate", Says: "rate of connection to proxy exceeded",
		Detail: attempt,
		Hint:   "open connections more slowly, and keep them",
		Means:  "connections come too fast",
	}
	ProxyFull = Cause{
		Name: "rds-proxy-full", Says: "maximum number of client connections",
		Detail: attempt,
		Hint:   "close unused connections, and keep pools in clients small",
		Means:  "the proxy has reached its maximum number of clients",
	}
)

// Refusals are the rows of logins that a server refuses by a text of its own,
// in the order in which they are to be looked for.
func Refusals() []Cause {
	return []Cause{
		ProxyBusy, ProxyTokenRefused, ProxyNoSecret, ProxyWrongSecret, ProxyWantsTLS, ProxyWantsSSL, ProxyAuthentication,
		ProxyOption, ProxyCommandLine, ProxyReplication, ProxyProtocol, ProxyPoolEmpty, ProxyRate, ProxyFull,
		DSQLRefused, DSQLFull, DSQLRate, DSQLSetting, RedshiftRefused, UserNotGranted, NoEncryption, SSLOff, NoEntry, AuthenticationSlow, TokenRefused, NoLogin, NoRole,
	}
}

// Logins are the rows of this file.
func Logins() []Cause {
	return append([]Cause{ClockWrong, IAMOff, RegionGuessed, OtherPassword, MasterUser, TargetNotServed, NoDatabase, NoConnect, GuardUnconfirmed}, Refusals()...)
}
