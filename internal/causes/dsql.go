package causes

// readers says how a user is kept from writing by the database itself.
const readers = "to make a user read-only, grant its role SELECT and nothing else"

// Aurora DSQL refuses a login, or ends a session. DSQLRefused is with the other logins.
//
// Sources: Aurora DSQL user guide, "Cluster quotas and database limits"; what SET says of
// a parameter that DSQL does not have is from reports of its users.
var (
	DSQLFull = Cause{
		Name: "dsql-full", Says: "unable to accept connection, too many open connections",
		Detail: attempt,
		Hint: "the cluster has reached its quota of connections (10,000 unless AWS has raised it): close unused ones, and keep pools in clients small; " +
			"DSQL ends every connection after 60 minutes",
		Means: "the DSQL cluster has reached its maximum number of connections",
	}
	DSQLRate = Cause{
		Name: "dsql-rate", Says: "unable to accept connection, rate exceeded", Passing: true,
		Detail: attempt,
		Hint: "a DSQL cluster accepts 100 new connections per second, and up to 1,000 at once after a quiet time: open them more slowly, and reuse them in a pool; " +
			"pgkeyless retries a login once, if it can do so within 5 s",
		Means: "clients open connections to the DSQL cluster too fast",
	}
	DSQLSetting = Cause{
		Name: "dsql-setting", Says: "setting configuration parameter",
		Detail: attempt,
		Hint: "DSQL does not have this parameter: remove it from the client's settings (PGOPTIONS, options=-c…), or remove read-only or statement-timeout from the target; " +
			readers,
		Means: "the client, or the target's `read-only` or `statement-timeout`, sets a start-up parameter that DSQL does not have",
	}
	GuardUnconfirmed = Cause{
		Name: "guard-unconfirmed", SQLState: unsupported,
		Message: "{database} does not report that the session is read-only",
		Detail:  "the option read-only sets default_transaction_read_only at login; the database accepted that, but did not apply it",
		Hint:    "remove read-only from the target; " + readers,
		Means:   "the database (DSQL) ignores the start-up parameter that `read-only` sets, so clients could write",
	}
	DSQLSessionOver = Cause{
		Name: "dsql-session-over", SQLState: shuttingDown,
		Message: "Aurora DSQL ends every connection after 60 minutes, and has ended this one",
		Detail:  "connected to {database} for {age}",
		Hint:    "reconnect; set the maximum lifetime of connections in your pool to less, such as 50 minutes",
		Means:   "DSQL's limit for every connection; an open transaction is rolled back",
	}
)
