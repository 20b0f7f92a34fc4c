package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
)

// suite is the tests of one module.
type suite struct {
	name     string
	module   string
	version  string   // "" for the one that this project requires
	packages []string // those whose tests want a database
	// env leads its tests to a port of this machine.
	env func(port string) []string
}

// Role and database of the tests; lib/pq's ask for these names.
const role = "pqgo"

var suites = []suite{
	{
		name: "pgx", module: "github.com/jackc/pgx/v5",
		packages: []string{".", "./pgconn", "./pgtype", "./pgxpool", "./stdlib"},
		env: func(port string) []string {
			conninfo := fmt.Sprintf("host=127.0.0.1 port=%s user=%s dbname=%s sslmode=disable", port, role, role)
			return []string{"PGX_TEST_DATABASE=" + conninfo, "PGX_TEST_TCP_CONN_STRING=" + conninfo}
		},
	},
	{
		name: "pq", module: "github.com/lib/pq", version: "v1.12.3",
		packages: []string{".", "./hstore"},
		env: func(port string) []string { // the host's name stands in what some tests want
			return []string{"PGHOST=localhost", "PGPORT=" + port, "PGUSER=" + role, "PGDATABASE=" + role, "PGSSLMODE=disable"}
		},
	},
}

// setUp is what the suites' own instructions make a superuser do first.
//
// Source: lib/pq's testdata/postgres/docker-entrypoint-initdb.d/20-config.sql.
var setUp = []string{
	"CREATE ROLE " + role + " SUPERUSER LOGIN IN ROLE rds_iam",
	"CREATE DATABASE " + role + " OWNER " + role,
	"CREATE ROLE pqgossl LOGIN",
	"CREATE ROLE pqgosslcert LOGIN",
	"CREATE ROLE pqgopassword LOGIN PASSWORD 'wordpass'",
	"CREATE ROLE pqgoscram LOGIN PASSWORD 'wordpass'",
	"SET password_encryption = 'md5'",
	"CREATE ROLE pqgomd5 LOGIN PASSWORD 'wordpass'",
}

// hba are the lines of pg_hba.conf that the suites want. What else comes with TLS
// is for the database's own: pgkeyless logs in by them.
//
// Source: lib/pq's testdata/postgres/docker-entrypoint-initdb.d/10-hba.sh.
const hba = `
hostnossl all pqgomd5               127.0.0.1/32 md5
hostnossl all pqgopassword          127.0.0.1/32 password
hostnossl all pqgoscram             127.0.0.1/32 scram-sha-256
hostnossl all pqgossl,pqgosslcert   127.0.0.1/32 reject
hostssl   all pqgossl               127.0.0.1/32 trust
hostnossl all all                   127.0.0.1/32 trust
`

// setUpInside is done in the new database.
//
// Source: pgx's testsetup/postgresql_setup.sql.
var setUpInside = []string{
	"CREATE EXTENSION hstore",
	"CREATE EXTENSION ltree",
	"CREATE DOMAIN uint64 AS numeric(20,0)",
	`CREATE USER " tricky, ' } "" \ test user " SUPERUSER PASSWORD 'secret'`,
}

// copyTo puts the module's source into dir, writable.
func (s suite) copyTo(ctx context.Context, dir string) error {
	version := s.version
	if version == "" {
		out, err := output(exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Version}}", s.module))
		if err != nil {
			return err
		}
		version = string(out[:len(out)-1])
	}
	out, err := output(exec.CommandContext(ctx, "go", "mod", "download", "-json", s.module+"@"+version))
	if err != nil {
		return err
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		return err
	}
	fmt.Printf("%s %s\n", s.module, version)
	return os.CopyFS(dir, os.DirFS(module.Dir))
}

func output(cmd *exec.Cmd) ([]byte, error) {
	out, err := cmd.Output()
	if exit, ok := err.(*exec.ExitError); ok {
		err = fmt.Errorf("%v: %w\n%s", cmd.Args, err, exit.Stderr)
	}
	return out, err
}
