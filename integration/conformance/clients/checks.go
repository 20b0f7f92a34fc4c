package main

// check is one thing that a client is made to do.
type check struct {
	Name  string
	Means string // for docs/clients.md
}

// driverChecks is what every library does.
var driverChecks = []check{
	{"connect", "connects with the settings it has when told only host, port, user and database, and no password"},
	{"parameters", "sends text, numbers and NULL as parameters, quotes and other scripts among them"},
	{"prepared", "runs one prepared statement several times"},
	{"large-result", "reads 50 MB in 50,000 rows"},
	{"copy-in", "COPY FROM STDIN"},
	{"copy-out", "COPY TO STDOUT"},
	{"notice", "receives a NOTICE"},
	{"error", "reports an error with its SQLSTATE and goes on"},
	{"transaction", "commits, rolls back, and recovers from an error inside a transaction"},
	{"listen", "LISTEN, and a NOTIFY from another connection"},
	{"cancel", "cancels a running query and goes on"},
	{"binary", "sends and receives bytea, every byte value in it"},
	{"ten", "works on ten connections at once"},
	{"plain", "connects without TLS to the proxy"},
	{"tls", "connects with TLS to the proxy (`sslmode=require` or its like)"},
	{"pool", "its own pool recovers from a connection that another one ended (`pg_terminate_backend`)"},
}

// verifyCheck is for who is the first of its kind: what is built on them does the
// same.
var verifyCheck = []check{{"verify", "verifies the certificate for `localhost` (`sslmode=verify-full`), by the CA that `pgkeyless ca` prints"}}

// pipelineCheck is for who can send many statements before the first answer.
var pipelineCheck = []check{{"pipeline", "pipeline mode: ten statements at once, one of them failing"}}

// searchPathCheck is for who names a schema by `options` in a connection's settings.
var searchPathCheck = []check{{"search-path", "logs in with `options=-c search_path=…`, and finds what is in those schemas"}}

// The checks of the tools of others.
var (
	pgcliChecks = []check{
		{"connect", "as libraries do"},
		{"meta-commands", `\dt, \d, \l`},
		{"error", "an error's words"},
		{"tls", "PGSSLMODE=require"},
		{"verify", "PGSSLMODE=verify-full"},
	}
	isqlChecks = []check{
		{"connect", "isql -k with a connection string"},
		{"write", "CREATE TABLE, INSERT, UPDATE"},
		{"tables", "the list of tables"},
		{"error", "an error's words"},
		{"tls", "SSLmode=require"},
		{"verify", "SSLmode=verify-full"},
	}
	ogrChecks = []check{
		{"insert", "a CSV file of points into a table, by INSERT"},
		{"copy", "the same by COPY"},
		{"read", "a query into GeoJSON"},
		{"tls", "sslmode=require"},
	}
	pgloaderChecks = []check{
		{"csv", "20,000 rows of a CSV file"},
		{"sqlite", "a SQLite database, with its tables"},
		{"verify", "sslmode=require, with the CA in SSL_CERT_FILE"},
	}
	migrateChecks = []check{
		{"pgx", "up and down by its pgx driver, sslmode=verify-full"},
		{"lib/pq", "the same by its lib/pq driver, sslmode=require"},
		{"error", "a migration that fails, force, down"},
	}
	gooseChecks = []check{
		{"up", "two migrations"},
		{"status", "what is applied, sslmode=verify-full"},
		{"down", "all of them back, sslmode=require"},
	}
)

// The checks of the programs that come with PostgreSQL.
var (
	psqlChecks = []check{
		{"connect", "as libraries do"},
		{"meta-commands", `\d, \l, \dt+, \df, \conninfo, \c`},
		{"copy", `\copy in and out`},
		{"gexec", `\gexec, \gset, variables, \if`},
		{"error", "ON_ERROR_STOP, and the error's position"},
		{"large-result", "50 MB, and the same in pieces of FETCH_COUNT"},
		{"listen", "LISTEN"},
		{"cancel", "Ctrl-C"},
		{"plain", "sslmode=disable"},
		{"tls", "sslmode=require"},
		{"verify", "sslmode=verify-full"},
		{"socket", "as `psql -h DIRECTORY`, through the Unix socket"},
		{"search-path", "PGOPTIONS=-c search_path=…"},
	}
	pgbenchChecks = []check{
		{"init", "pgbench -i"},
		{"tpcb", "the standard script, -j 2 -c 8"},
		{"select-only", "-S -j 2 -c 8"},
		{"prepared", "-S -M prepared -j 2 -c 8"},
		{"extended", "-M extended -j 2 -c 8"},
		{"reconnect", "-C, a login for each transaction"},
		{"pipeline", `a script with \startpipeline`},
	}
	pgDumpChecks = []check{
		{"plain", "pg_dump, and psql with what it wrote"},
		{"custom", "pg_dump -Fc and pg_restore"},
		{"directory", "pg_dump -Fd -j 4 and pg_restore -j 4"},
		{"tar", "pg_dump -Ft and pg_restore"},
		{"schema-only", "pg_dump --schema-only"},
	}
	pgIsReadyChecks = []check{
		{"ready", "says that connections are accepted, exit code 0"},
		{"nobody", "says so when nothing listens, exit code 2"},
	}
)
