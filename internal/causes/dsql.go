package causes

// Aurora DSQL refuses a login, or ends a session. DSQLRefused is with the other logins.
//
// Sources: Aurora DSQL user guide, "Cluster quotas and database limits"; what SET says of
// a parameter that DSQL does not have is from reports of its users.
var (
	DSQLFull = Cause{
		Name: "dsql-full", Says: "unable to accept connection, too many open connections",
		Detail: attempt,
		Hint: "the cluster has as many connections as it may have (10,000 unless AWS has raised the quota): close unused ones, and keep pools in clients small; " +
			"every connection ends after 60 minutes at the latest",
		Means: "the DSQL cluster has reached its maximum number of connections",
	}
	DSQLRate = Cause{
		Name: "dsql-rate", Says: "unable to accept connection, rate exceeded", Passing: true,
		Detail: attempt,
		Hint: "a DSQL cluster takes 100 new connections a second, and up to 1,000 at once after a quiet time: open them more slowly, and keep them in a pool; " +
			"pgkeyless repeats a login once, if it can do so within 5 s",
		Means: "connections to the DSQL cluster come too fast",
	}
	DSQLSetting = Cause{
		Name: "dsql-setting", Says: "setting configuration parameter",
		Detail: attempt,
		Hint: "DSQL does not have this parameter: leave it out of the client's settings (PGOPTIONS, options=-c…), and read-only and statement-timeout out of pgkeyless's; " +
			"to let a user only read, grant its role nothing but SELECT",
		Means: "a start-up parameter that DSQL does not accept, perhaps by the options `read-only` or `statement-timeout`",
	}
	GuardUnconfirmed = Cause{
		Name: "guard-unconfirmed", SQLState: unsupported,
		Message: "{database} does not report that the session is read-only",
		Detail:  "read-only logs clients in with default_transaction_read_only on; the database accepted that without putting it into effect",
		Hint:    "leave out read-only, and let the user only read by granting its role nothing but SELECT",
		Means:   "the database ignores the start-up parameter by which the option `read-only` works (DSQL)",
	}
	DSQLSessionOver = Cause{
		Name: "dsql-session-over", SQLState: shuttingDown,
		Message: "Aurora DSQL ends every connection after 60 minutes, and has ended this one",
		Detail:  "connected to {database} for {age}",
		Hint:    "reconnect; a pool should replace its connections before that, for example after 50 minutes",
		Means:   "the time of a connection to DSQL is over; a transaction that was still open is rolled back",
	}
)
