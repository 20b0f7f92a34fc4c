// Command database-sql runs the checks of pgx as a driver of database/sql.
package main

import (
	"context"
	"database/sql"
	"errors"
	"runtime/debug"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/pgkeyless/pgkeyless/integration/conformance/clients/harness/checks"
	"github.com/pgkeyless/pgkeyless/integration/conformance/clients/harness/checks/sqlchecks"
)

var ctx = context.Background()

func main() {
	common := sqlchecks.Checks{Open: func(settings string) (*sql.DB, error) { return sql.Open("pgx", settings) }}
	checks.Main(version(), append(common.All(),
		checks.Check{Name: "copy-in", Run: copyIn},
		checks.Check{Name: "copy-out", Run: copyOut},
		checks.Check{Name: "notice", Run: notice},
		checks.Check{Name: "listen", Run: listen},
	))
}

func version() string {
	info, _ := debug.ReadBuildInfo()
	for _, m := range info.Deps {
		if m.Path == "github.com/jackc/pgx/v5" {
			return m.Version
		}
	}
	return ""
}

// raw gives the driver's connection beneath one of database/sql's, with a pool
// for whatever else is to be done.
func raw(use func(conn *pgx.Conn, db *sql.DB) error) error {
	db, err := sql.Open("pgx", "")
	if err != nil {
		return err
	}
	defer db.Close()
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Raw(func(driver any) error { return use(driver.(*stdlib.Conn).Conn(), db) })
}

func copyIn() error {
	return raw(func(conn *pgx.Conn, db *sql.DB) error {
		if _, err := db.Exec("create table copied (id int)"); err != nil {
			return err
		}
		if _, err := conn.PgConn().CopyFrom(ctx, strings.NewReader(checks.Lines(1, checks.Copied)), "copy copied from stdin"); err != nil {
			return err
		}
		return sqlchecks.Value(db, 200_010_000, "select sum(id) from copied")
	})
}

func copyOut() error {
	return raw(func(conn *pgx.Conn, _ *sql.DB) error {
		var out strings.Builder
		if _, err := conn.PgConn().CopyTo(ctx, &out, "copy (select generate_series(1, 20000)) to stdout"); err != nil {
			return err
		}
		return checks.Equal(out.String(), checks.Lines(1, checks.Copied))
	})
}

func notice() error {
	config, err := pgx.ParseConfig("")
	if err != nil {
		return err
	}
	var seen []string
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { seen = append(seen, n.Message) }
	db := stdlib.OpenDB(*config)
	defer db.Close()
	_, err = db.Exec(checks.Notice)
	return errors.Join(err, checks.Equal(seen, []string{"look here"}))
}

func listen() error {
	return raw(func(conn *pgx.Conn, db *sql.DB) error {
		if _, err := conn.Exec(ctx, "listen news"); err != nil {
			return err
		}
		if _, err := db.Exec("select pg_notify('news', $1)", checks.Text); err != nil {
			return err
		}
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		return checks.Equal(n.Payload, checks.Text)
	})
}
