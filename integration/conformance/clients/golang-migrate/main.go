// Command golang-migrate runs migrations by github.com/golang-migrate/migrate.
package main

import (
	"database/sql"
	"errors"
	"net/url"
	"os"
	"runtime/debug"
	"strings"
	"testing/fstest"

	"github.com/golang-migrate/migrate/v4"
	_ "github.com/golang-migrate/migrate/v4/database/pgx/v5"
	_ "github.com/golang-migrate/migrate/v4/database/postgres"
	"github.com/golang-migrate/migrate/v4/source/iofs"

	"github.com/pgkeyless/pgkeyless/integration/conformance/clients/harness/checks"
	"github.com/pgkeyless/pgkeyless/integration/conformance/clients/harness/checks/sqlchecks"
)

var migrations = fstest.MapFS{
	"1_things.up.sql":   {Data: []byte("create table things (id int primary key, name text);")},
	"1_things.down.sql": {Data: []byte("drop table things;")},
	"2_fill.up.sql":     {Data: []byte("insert into things select g, 'thing ' || g from generate_series(1, 1000) g;")},
	"2_fill.down.sql":   {Data: []byte("delete from things;")},
	"3_wrong.up.sql":    {Data: []byte("create table wrong (id nonsense);")},
}

func main() {
	checks.Main(version(), []checks.Check{
		{Name: "pgx", Run: func() error { return upAndDown("pgx5", "sslmode=verify-full") }},
		{Name: "lib/pq", Run: func() error { return upAndDown("postgres", "sslmode=require") }},
		{Name: "error", Run: wrong},
	})
}

func version() string {
	info, _ := debug.ReadBuildInfo()
	for _, m := range info.Deps {
		if m.Path == "github.com/golang-migrate/migrate/v4" {
			return m.Version
		}
	}
	return ""
}

// open leads to the database by the driver of that scheme, at localhost.
func open(scheme, setting string) (*migrate.Migrate, error) {
	there, err := url.Parse(os.Getenv("DATABASE_URL"))
	if err != nil {
		return nil, err
	}
	there.Scheme, there.Host, there.RawQuery = scheme, "localhost:"+there.Port(), setting
	source, err := iofs.New(migrations, ".")
	if err != nil {
		return nil, err
	}
	return migrate.NewWithSourceInstance("iofs", source, there.String())
}

func upAndDown(scheme, setting string) error {
	m, err := open(scheme, setting)
	if err != nil {
		return err
	}
	defer m.Close()
	if err := m.Steps(2); err != nil {
		return err
	}
	return errors.Join(count(1000), m.Down())
}

// wrong is a migration that fails, and what is done about it.
func wrong() error {
	m, err := open("pgx5", "sslmode=disable")
	if err != nil {
		return err
	}
	defer m.Close()
	err = m.Up()
	if err == nil || !strings.Contains(err.Error(), `type "nonsense" does not exist`) {
		return checks.Equal(err, errors.New(`type "nonsense" does not exist`))
	}
	return errors.Join(m.Force(2), m.Down())
}

// count wants so many rows in things.
func count(want int) error {
	db, err := sql.Open("pgx/v5", "")
	if err != nil {
		return err
	}
	defer db.Close()
	return sqlchecks.Value(db, want, "select count(*) from things")
}
