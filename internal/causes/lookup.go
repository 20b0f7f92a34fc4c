package causes

// The database or the jump host is not found by its name, or cannot be used.
var (
	NoSuchDatabase = Cause{
		Name: "no-such-database", SQLState: cannotConnect,
		Message: "there is no database \"{name}\" in {where}",
		Detail:  "asked for instances, clusters, their endpoints, proxies and global clusters[; {denied}]",
		Hint:    "[did you mean {near}? ]`pgkeyless list` shows those there are; --region and --profile choose where to look",
		Means:   "the identifier or ARN is wrong, or the region or the account",
	}
	NoDatabaseAtAll = Cause{
		Name: "no-database-at-all", SQLState: cannotConnect,
		Message: "there is no database \"{name}\" in {where}",
		Detail:  "asked for instances, clusters, their endpoints, proxies and global clusters",
		Hint:    "no PostgreSQL database is there at all: --region and --profile choose where to look",
		Means:   "most often another region or account is meant",
	}
	NotInAccount = Cause{
		Name: "not-in-account", SQLState: cannotConnect,
		Message: "there is no database \"{name}\" in {where}",
		Hint:    "check the ARN, and that the credentials are for account {account} (`aws sts get-caller-identity`)",
		Means:   "an ARN of another account than that of the credentials",
	}
	AmbiguousDatabase = Cause{
		Name: "ambiguous-database", SQLState: cannotConnect,
		Message: "\"{name}\" is the name of {count} databases",
		Detail:  "{arns}",
		Hint:    "give the ARN of the one that is meant: {choice}",
		Means:   "an instance and a proxy, say, have the same identifier",
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
		Means:   "the option `endpoint` names none of the cluster's or proxy's",
	}
	OneEndpoint = Cause{
		Name: "one-endpoint", SQLState: cannotConnect,
		Message: "{kind} \"{name}\" has one endpoint, and \"{endpoint}\" is none of it",
		Detail:  "{database}",
		Hint:    "leave out the option endpoint[, or name the cluster {cluster}, which has a writer and a reader endpoint]",
		Means:   "an instance or a global cluster has nothing to choose from",
	}
	NoSuchHost = Cause{
		Name: "no-such-host", SQLState: cannotConnect,
		Message: "no database in {where} has the endpoint {endpoint}",
		Hint:    "check the name, and that --profile chooses credentials of the account that owns the database",
		Means:   "a typing error in the endpoint, or another account",
	}
	DatabaseDown = Cause{
		Name: "database-down", SQLState: notReady,
		Message: "{kind} \"{name}\" is {status}",
		Detail:  "{database}",
		Hint:    "{mend}",
		Means:   "stopped, being created, or failed",
	}
	IAMSwitchedOff = Cause{
		Name: "iam-switched-off", SQLState: invalidLogin,
		Message: "IAM authentication is off for the {kind} \"{name}\"",
		Detail:  "{database}",
		Hint:    "{mend}",
		Means:   "the database takes no IAM tokens yet",
	}
	LookupDenied = Cause{
		Name: "lookup-denied", SQLState: cannotConnect,
		Message: "{doing}: access denied: {said}",
		Detail:  "{action} in {where}[, identity {identity}]",
		Hint:    "allow it: {statement}; or name {instead}, which takes no such permission",
		Means:   "a permission to look names up is missing",
	}
	LookupThrottled = Cause{
		Name: "lookup-throttled", SQLState: cannotConnect, Passing: true,
		Message: "{doing}: too many API calls in this account ({code})",
		Detail:  "{action} in {where}",
		Hint:    "connect again in a minute",
		Means:   "the account's rate of API calls is used up",
	}
	LookupUnanswered = Cause{
		Name: "lookup-unanswered", SQLState: cannotConnect,
		Message: "{doing}: no answer from AWS in time",
		Detail:  "{action} in {where}",
		Hint:    "check this machine's network, HTTPS_PROXY and NO_PROXY, then connect again",
		Means:   "the network swallows packets, or a proxy does",
	}
	LookupUnreachable = Cause{
		Name: "lookup-unreachable", SQLState: cannotConnect,
		Message: "{doing}: {said}",
		Detail:  "{action} in {where}",
		Hint:    "check this machine's network, HTTPS_PROXY and NO_PROXY, then connect again",
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
		Hint:    "{mend}",
		Means:   "nothing has the tag, the group is empty, or the service runs no task",
	}
	NoneOnline = Cause{
		Name: "none-online", SQLState: cannotConnect,
		Message: "none of the jump hosts that {via} stands for is online",
		Detail:  "in {where}: {seen}",
		Hint:    "{mend}",
		Means:   "they are stopped, or their agents do not reach Systems Manager; for ECS, ECS Exec is off",
	}
	NotAnAlias = Cause{
		Name: "not-an-alias", SQLState: cannotConnect,
		Message: "{host} {leads}",
		Detail:  "asked this machine's DNS for the CNAMEs of {host}",
		Hint: "give the database's identifier or endpoint itself: `pgkeyless list` shows both; " +
			"a database that is not AWS's own needs its CA certificate, --ca-file, and --region",
		Means: "a host name that is neither an endpoint nor a CNAME of one, as this machine's DNS has it",
	}
	AliasUnanswered = Cause{
		Name: "alias-unanswered", SQLState: cannotConnect,
		Message: "finding out what {host} stands for: {said}",
		Detail:  "asked this machine's DNS for the CNAMEs of {host}",
		Hint:    "check this machine's DNS, then connect again",
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
