package causes

// noGroup is said wherever the database's security group is.
const noGroup = "DSQL and Aurora express clusters have none"

// The database is not reached, or is not the one that was named.
var (
	DatabaseRefuses = Cause{
		Name: "database-refuses", SQLState: cannotConnect, Stale: true,
		Message: "jump host {jump host} cannot connect to {endpoint}",
		Detail:  where,
		Hint: "the database's security group must allow the jump host on this port (" + noGroup + "); also check that host and port are right " +
			"and the database is running (the jump host resolves the name once per SSM session)",
		Means: "security group, wrong port, or a stopped database",
	}
	TooManyWaiting = Cause{
		Name: "too-many-waiting", SQLState: tooManyConnections, Stale: true,
		Message: "too many connections wait for jump host {jump host} to connect to {endpoint}",
		Detail:  where,
		Hint: "the jump host gets no answer from the database: its security group must allow the jump host on this port (" + noGroup + "); " +
			"also check host and port",
		Means: "packets to the database are dropped, and connections pile up on the jump host",
	}
	StreamOverflow = Cause{
		Name: "stream-overflow", SQLState: connectionLost,
		Message: "connection to {endpoint} cut: the client does not read what the database sends",
		Detail:  where,
		Hint:    "fetch large results in parts (a cursor, or COPY to a file)",
		Means:   "the client stopped reading for a long time in the middle of a result",
	}
	DirectUnreachable = Cause{
		Name: "direct-unreachable", SQLState: cannotConnect, Stale: true,
		Message: "cannot connect to {endpoint}: {said}",
		Detail:  "directly, without a jump host",
		Hint: "if the database is private, name a jump host (`via`); otherwise check host and port, that it is running, " +
			"and that its security group allows this machine (" + noGroup + ")",
		Means: "with `via=none`: wrong name or port, a stopped database, a security group, or no way into its VPC",
	}
	OutOfFiles = Cause{
		Name: "out-of-files", SQLState: cannotConnect,
		Message: "[{doing}: ]cannot connect to {endpoint}: {said}",
		Detail:  "[{through}, jump host {jump host} in {region}, endpoint {endpoint}]",
		Hint:    "the proxy cannot open more files, and each client takes two: raise its limit (`ulimit -n`)",
		Means:   "the process has reached the hard limit of open files (systemd: `LimitNOFILE`); it raises the soft limit by itself",
	}
	OwnTunnelDown = Cause{
		Name: "own-tunnel-down", SQLState: cannotConnect,
		Message: "cannot connect to {address}: {said}",
		Detail:  "dialled {address} (option dial) instead of {endpoint}",
		Hint:    "is your own tunnel at {address} up?",
		Means:   "nothing listens where `dial` points",
	}
	DatabaseUnreachable = Cause{
		Name: "database-unreachable", SQLState: cannotConnect, Stale: true,
		Message: "reaching {database}: {said}",
		Detail:  "[dialled {address}]",
		Hint:    "check that the database is up and that its security group allows the address that the proxy connects from (" + noGroup + ")",
		Means:   "the connection ended before the database said anything",
	}
	TLSRefused = Cause{
		Name: "tls-refused", SQLState: cannotConnect, Stale: true,
		Message: "{database} refuses TLS",
		Hint:    "check that this is the database's own port; pgkeyless sends passwords over verified TLS only",
		Means:   "the server has no TLS, so it is not RDS",
	}
	TLSErrored = Cause{
		Name: "tls-errored", SQLState: cannotConnect,
		Message: "{database} answered the request for TLS with an error",
		Detail:  "unverified text: {said}",
		Hint:    "the server may be out of resources; see its log, then try again",
		Means:   "PostgreSQL could not start a process for the connection",
	}
	NotPostgreSQL = Cause{
		Name: "not-postgresql", SQLState: rejected, Stale: true,
		Message: "{database} does not speak the PostgreSQL protocol: {said}",
		Hint:    "check host and port",
		Means:   "another kind of server listens there",
	}
	CertificateName = Cause{
		Name: "certificate-name", SQLState: cannotConnect, Stale: true,
		Message: "certificate of {database} is for another name: {said}",
		Detail:  certificate,
		Hint:    "the address dialled leads to another server, or the target is not the database's own endpoint name",
		Means:   "the target is another name for the endpoint, or `dial` leads elsewhere",
	}
	CertificateUntrusted = Cause{
		Name: "certificate-untrusted", SQLState: cannotConnect, Stale: true,
		Message: "certificate of {database} is not trusted: {said}",
		Detail:  certificate,
		Hint:    "if the database uses its own CA, give that CA's certificate file with ca-file",
		Means:   "the chain ends in a root that is not trusted for this kind of endpoint",
	}
	RootsUnreachable = Cause{
		Name:   "roots-unreachable",
		Detail: "none of the roots that pgkeyless has signed it, and fetching the roots of {region} from {host} failed",
		Hint:   "let pgkeyless reach {host} (it tries again after a minute), or give the CA certificates of {region} with ca-file",
		Means:  "as before, where the region's roots may be newer than this pgkeyless; message and SQLSTATE are those of `certificate-untrusted`",
	}
	RootsInspected = Cause{
		Name:   "roots-inspected",
		Detail: "none of the roots that pgkeyless has signed it, and {host}, which publishes the roots of {region}, presented a certificate that is not from Amazon: the network inspects TLS",
		Hint:   "download {url} on a network that does not inspect TLS, and give the file with ca-file",
		Means:  "as before, on a network that inspects TLS: pgkeyless takes roots for databases from AWS only",
	}
	CertificateExpired = Cause{
		Name: "certificate-expired", SQLState: cannotConnect,
		Message: "certificate of {database} is expired or not valid yet: {said}",
		Detail:  certificate,
		Hint:    "check this machine's clock; otherwise the database's certificate must be rotated",
		Means:   "this machine's clock is wrong, or the certificate was not rotated",
	}
	DirectTLSUnsupported = Cause{
		Name: "direct-tls-unsupported", SQLState: cannotConnect,
		Message: "{database} does not support direct TLS: {said}",
		Hint:    "use sslnegotiation=postgres: direct TLS needs PostgreSQL 17 or later, and any proxy or gateway in front of it must support it, too",
		Means:   "servers before PostgreSQL 17 close a connection that begins with TLS",
	}
	TLSEnded = Cause{
		Name: "tls-ended", SQLState: cannotConnect, Stale: true,
		Message: "TLS with {database}: {said}",
		Hint:    "the connection ended during the handshake: check that host and port are the database's",
		Means:   "the other side closed in the middle of the handshake",
	}
	ServerUnproven = Cause{
		Name: "server-unproven", SQLState: rejected,
		Message: "{database} breaks the SCRAM login: {said}",
		Hint: "pgkeyless ended the login, as this may not be the database: a server that stores the user's password can prove that it knows it; " +
			"if a pooler or another proxy answers at this address, connect to the database itself",
		Means: "the server did not prove that it knows the password, or demanded too many iterations",
	}
	TLSFailed = Cause{
		Name: "tls-failed", SQLState: cannotConnect, Stale: true,
		Message: "TLS with {database}: {said}",
		Detail:  certificate,
		Hint:    "check host and port",
		Means:   "any other failure of the handshake",
	}
)

const certificate = "the certificate must be valid for {server name} and come from an authority trusted for it"

// Databases are the rows of this file.
func Databases() []Cause {
	return []Cause{
		DatabaseRefuses, TooManyWaiting, StreamOverflow, DirectUnreachable, OutOfFiles, OwnTunnelDown, DatabaseUnreachable,
		TLSRefused, TLSErrored, NotPostgreSQL, CertificateName, CertificateUntrusted, RootsUnreachable, RootsInspected,
		CertificateExpired, DirectTLSUnsupported, TLSEnded, TLSFailed, ServerUnproven,
	}
}
