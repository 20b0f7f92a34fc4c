package main

import "slices"

// client is a row of the table. Its program is in the directory Name.
type client struct {
	Name   string
	Title  string  // as people know it
	Checks []check // nil: driverChecks
	Extra  []check // further ones
	Tunnel bool    // runs through the emulated Session Manager too
	// RDSProxy are the checks that it runs through a stand-in for RDS Proxy too.
	RDSProxy []string
}

// throughRDSProxy are those of most: what needs no cancel key, and no session of another
// that is ended. optionsThroughRDSProxy are for who has settings for options.
var (
	throughRDSProxy        = []string{"connect", "parameters", "prepared", "copy-in", "copy-out", "notice", "error", "transaction", "listen", "binary", "ten", "tls"}
	optionsThroughRDSProxy = append([]string{"search-path"}, throughRDSProxy...)
)

// by is c as it runs that way.
func (c client) by(w way) client {
	if w != rdsProxy {
		return c
	}
	c.Checks = slices.DeleteFunc(c.checks(), func(k check) bool { return !slices.Contains(c.RDSProxy, k.Name) })
	c.Extra = nil
	return c
}

// table has every client, in the order it is printed in.
var table = []client{
	{Name: "psql", Title: "psql", Checks: psqlChecks, Tunnel: true, RDSProxy: []string{"connect", "meta-commands", "copy", "gexec", "error", "search-path"}},
	{Name: "pgbench", Title: "pgbench", Checks: pgbenchChecks},
	{Name: "pg_dump", Title: "pg_dump, pg_restore", Checks: pgDumpChecks, Tunnel: true},
	{Name: "pg_isready", Title: "pg_isready", Checks: pgIsReadyChecks},

	{Name: "pgcli", Title: "pgcli", Checks: pgcliChecks},
	{Name: "isql", Title: "isql (unixODBC, psqlODBC)", Checks: isqlChecks},
	{Name: "ogr2ogr", Title: "ogr2ogr (GDAL)", Checks: ogrChecks},
	{Name: "pgloader", Title: "pgloader", Checks: pgloaderChecks},
	{Name: "golang-migrate", Title: "golang-migrate", Checks: migrateChecks},
	{Name: "goose", Title: "goose", Checks: gooseChecks},

	{Name: "libpq", Title: "C: libpq", Extra: pipelineCheck, Tunnel: true},
	{Name: "ecpg", Title: "C: ECPG"},
	{Name: "libpqxx", Title: "C++: libpqxx"},
	{Name: "psycopg2", Title: "Python: psycopg 2", Extra: searchPathCheck, RDSProxy: optionsThroughRDSProxy},
	{Name: "psycopg3", Title: "Python: psycopg 3", Tunnel: true, RDSProxy: throughRDSProxy},
	{Name: "asyncpg", Title: "Python: asyncpg", Extra: verifyCheck, RDSProxy: throughRDSProxy},
	{Name: "pg8000", Title: "Python: pg8000", RDSProxy: throughRDSProxy},
	{Name: "sqlalchemy", Title: "Python: SQLAlchemy (psycopg 2)", Extra: searchPathCheck, RDSProxy: optionsThroughRDSProxy},
	{Name: "django", Title: "Python: Django (psycopg 2)", Extra: searchPathCheck, RDSProxy: optionsThroughRDSProxy},
	{Name: "pgjdbc", Title: "Java: pgjdbc", Extra: verifyCheck, Tunnel: true},
	{Name: "pgx", Title: "Go: pgx", Extra: verifyCheck, RDSProxy: throughRDSProxy},
	{Name: "database-sql", Title: "Go: database/sql (pgx)"},
	{Name: "lib-pq", Title: "Go: database/sql (lib/pq)", Extra: verifyCheck, RDSProxy: throughRDSProxy},
	{Name: "node-postgres", Title: "Node.js: node-postgres (pg)", Extra: slices.Concat(verifyCheck, searchPathCheck), Tunnel: true, RDSProxy: optionsThroughRDSProxy},
	{Name: "postgresjs", Title: "Node.js: Postgres.js"},
	{Name: "sequelize", Title: "Node.js: Sequelize (pg)"},
	{Name: "typeorm", Title: "Node.js: TypeORM (pg)"},
	{Name: "prisma", Title: "Node.js: Prisma (pg)"},
	{Name: "knex", Title: "Node.js: Knex (pg)"},
	{Name: "drizzle", Title: "Node.js: Drizzle (pg)"},
	{Name: "ruby-pg", Title: "Ruby: pg", RDSProxy: throughRDSProxy},
	{Name: "activerecord", Title: "Ruby: ActiveRecord (pg)", Extra: searchPathCheck, RDSProxy: optionsThroughRDSProxy},
	{Name: "sequel", Title: "Ruby: Sequel (pg)", RDSProxy: throughRDSProxy},
	{Name: "dbd-pg", Title: "Perl: DBD::Pg"},
	{Name: "php-pdo", Title: "PHP: pdo_pgsql"},
	{Name: "php-pgsql", Title: "PHP: pgsql"},
	{Name: "rpostgresql", Title: "R: RPostgreSQL"},
	{Name: "psqlodbc", Title: "ODBC: psqlODBC (unixODBC, pyodbc)"},
}

func (c client) checks() []check {
	if c.Checks == nil {
		return slices.Concat(driverChecks, c.Extra)
	}
	return slices.Concat(c.Checks, c.Extra)
}

// has tells whether name is one of c's checks.
func (c client) has(name string) bool {
	return slices.ContainsFunc(c.checks(), func(k check) bool { return k.Name == name })
}
