package causes

// The database or the jump host is not found by its name, or cannot be used.
var (
	NoSuchDatabase = Cause{
		Name: "no-such-database", SQLState: cannotConnect,
		Message: "there is no database \"{name}\" in {where}",
		Detail:  "looked for instances, clusters, their endpoints, proxies and global clusters[; {denied}]",
		Hint:    "[did you mean {near}? ]`pgkeyless list` shows the databases; --region and --profile choose where to look",
		Means:   "the identifier, ARN, region or account is wrong",
	}
	NoDatabaseAtAll = Cause{
		Name: "no-database-at-all", SQLState: cannotConnect,
		Message: "there is no database \"{name}\" in {where}",
		Detail:  "looked for instances, clusters, their endpoints, proxies and global clusters",
		Hint:    "there is no PostgreSQL database at all: --region and --profile choose where to look",
		Means:   "most often the wrong region or account",
	}
	NotInAccount = Cause{
		Name: "not-in-account", SQLState: cannotConnect,
		Message: "there is no database \"{name}\" in {where}",
		Hint:    "check the ARN, and that the credentials are for account {account} (`aws sts get-caller-identity`)",
		Means:   "the ARN is from another account than the credentials",
	}
	AmbiguousDatabase = Cause{
		Name: "ambiguous-database", SQLState: cannotConnect,
		Message: "\"{name}\" is the name of {count} databases",
		Detail:  "{arns}",
		Hint:    "give the ARN of the one that you mean: {choice}",
		Means:   "an instance and a proxy, for example, have the same identifier",
	}
	OtherEngine = Cause{
		Name: "other-engine", SQLState: unsupported,
		Message: "{kind} \"{name}\" runs {engine}, not PostgreSQL",
		Detail:  "{database}",
		Hint:    "pgkeyless speaks the PostgreSQL protocol only; `pgkeyless list` shows the databases it can reach",
		Means:   "MySQL, MariaDB, Oracle or another engine",
	}
	ServerlessOne = Cause{
		Name: "serverless-v1", SQLState: unsupported,
		Message: "cluster \"{name}\" is Aurora Serverless v1, which has no IAM authentication",
		Detail:  "{database}",
		Hint:    "move it to Serverless v2 or to provisioned instances (`aws rds modify-db-cluster --db-cluster-identifier {name} --engine-mode provisioned --allow-engine-mode-change --db-cluster-instance-class CLASS`)",
		Means:   "Aurora Serverless v1",
	}
	NoSuchEndpoint = Cause{
		Name: "no-such-endpoint", SQLState: cannotConnect,
		Message: "{kind} \"{name}\" has no endpoint \"{endpoint}\"",
		Detail:  "{database}",
		Hint:    "its endpoints are {names}",
		Means:   "the option `endpoint` names no endpoint of the cluster or proxy",
	}
	OneEndpoint = Cause{
		Name: "one-endpoint", SQLState: cannotConnect,
		Message: "{kind} \"{name}\" has one endpoint only, not \"{endpoint}\"",
		Detail:  "{database}",
		Hint:    "leave out the option endpoint[, or name the cluster {cluster}, which has a writer and a reader endpoint]",
		Means:   "an instance or a global cluster has only one endpoint",
	}
	NoSuchHost = Cause{
		Name: "no-such-host", SQLState: cannotConnect,
		Message: "no database in {where} has the endpoint {endpoint}",
		Hint:    "check the name, and that --profile chooses credentials of the account that owns the database",
		Means:   "a typing error in the endpoint, or the wrong account",
	}
	DatabaseDown = Cause{
		Name: "database-down", SQLState: notReady,
		Message: "{kind} \"{name}\" is {status}",
		Detail:  "{database}",
		Hint:    "{fix}",
		Means:   "stopped, being created, or failed",
	}
	IAMSwitchedOff = Cause{
		Name: "iam-switched-off", SQLState: invalidLogin,
		Message: "IAM authentication is off for the {kind} \"{name}\"",
		Detail:  "{database}",
		Hint:    "{fix}",
		Means:   "the database does not accept IAM tokens yet",
	}
	LookupDenied = Cause{
		Name: "lookup-denied", SQLState: cannotConnect,
		Message: "{doing}: access denied: {said}",
		Detail:  "{action} in {where}[, identity {identity}]",
		Hint:    "allow it: {statement}; or name {instead}, which does not need this permission",
		Means:   "a permission to look names up is missing",
	}
	LookupThrottled = Cause{
		Name: "lookup-throttled", SQLState: cannotConnect, Passing: true,
		Message: "{doing}: too many API calls in this account ({code})",
		Detail:  "{action} in {where}",
		Hint:    "reconnect in a minute",
		Means:   "the account has reached its limit of API calls",
	}
	LookupUnanswered = Cause{
		Name: "lookup-unanswered", SQLState: cannotConnect,
		Message: "{doing}: no answer from AWS in time",
		Detail:  "{action} in {where}",
		Hint:    "check this machine's network, HTTPS_PROXY and NO_PROXY, then reconnect",
		Means:   "the network or a proxy drops packets",
	}
	LookupUnreachable = Cause{
		Name: "lookup-unreachable", SQLState: cannotConnect,
		Message: "{doing}: {said}",
		Detail:  "{action} in {where}",
		Hint:    "check this machine's network, HTTPS_PROXY and NO_PROXY, then reconnect",
		Means:   "no network, no DNS, or a proxy in between",
	}
	LookupError = Cause{
		Name: "lookup-error", SQLState: cannotConnect,
		Message: "{doing}: {code}: {said}",
		Detail:  "{action} in {where}",
		Hint:    "look up this error of {action} in the API reference",
		Means:   "an error code that is not listed here",
	}
	NoJumpHost = Cause{
		Name: "no-jump-host", SQLState: cannotConnect,
		Message: "there is no jump host {via} in {where}",
		Detail:  "{asked}",
		Hint:    "{fix}",
		Means:   "nothing has the tag, the group is empty, or the service runs no task",
	}
	NoneOnline = Cause{
		Name: "none-online", SQLState: cannotConnect,
		Message: "no jump host of {via} is online",
		Detail:  "in {where}: {seen}",
		Hint:    "{fix}",
		Means:   "they are stopped, their agents cannot reach Systems Manager, or ECS Exec is off",
	}
	NotAnAlias = Cause{
		Name: "not-an-alias", SQLState: cannotConnect,
		Message: "{host} {leads}",
		Detail:  "asked this machine's DNS for the CNAMEs of {host}",
		Hint: "give the database's identifier or endpoint itself: `pgkeyless list` shows both; " +
			"a database outside AWS needs --ca-file with its CA certificate, and --region",
		Means: "a host name that is neither an endpoint nor, according to this machine's DNS, a CNAME of one",
	}
	AliasUnanswered = Cause{
		Name: "alias-unanswered", SQLState: cannotConnect,
		Message: "resolving {host}: {said}",
		Detail:  "asked this machine's DNS for the CNAMEs of {host}",
		Hint:    "check this machine's DNS, then reconnect",
		Means:   "DNS does not answer",
	}
)

// Lookups are the rows of this file.
func Lookups() []Cause {
	return []Cause{
		NoSuchDatabase, NoDatabaseAtAll, NotInAccount, AmbiguousDatabase, OtherEngine, ServerlessOne, NoSuchEndpoint, OneEndpoint,
		NoSuchHost, DatabaseDown, IAMSwitchedOff, LookupDenied, LookupThrottled, LookupUnanswered, LookupUnreachable, LookupError,
		NoJumpHost, NoneOnline, NotAnAlias, AliasUnanswered,
	}
}
