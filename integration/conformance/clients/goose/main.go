// Command goose runs migrations by github.com/pressly/goose.
package main

import (
	"context"
	"database/sql"
	"errors"
	"runtime/debug"
	"testing/fstest"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/pgkeyless/pgkeyless/integration/conformance/clients/harness/checks"
	"github.com/pgkeyless/pgkeyless/integration/conformance/clients/harness/checks/sqlchecks"
)

var migrations = fstest.MapFS{
	"1_things.sql": {Data: []byte("-- +goose Up\ncreate table things (id int primary key, name text);\n-- +goose Down\ndrop table things;\n")},
	"2_fill.sql": {Data: []byte("-- +goose Up\n-- +goose StatementBegin\ndo $$ begin insert into things select g, 'thing ' || g from generate_series(1, 1000) g; end $$;\n-- +goose StatementEnd\n" +
		"-- +goose Down\ndelete from things;\n")},
}

func main() {
	checks.Main(version(), []checks.Check{
		{Name: "up", Run: with("sslmode=disable", func(ctx context.Context, p *goose.Provider, db *sql.DB) error {
			_, err := p.Up(ctx)
			return errors.Join(err, sqlchecks.Value(db, 1000, "select count(*) from things"))
		})},
		{Name: "status", Run: with("host=localhost sslmode=verify-full", func(ctx context.Context, p *goose.Provider, _ *sql.DB) error {
			all, err := p.Status(ctx)
			if err != nil {
				return err
			}
			var applied int
			for _, s := range all {
				if s.State == goose.StateApplied {
					applied++
				}
			}
			return checks.Equal(applied, 2)
		})},
		{Name: "down", Run: with("sslmode=require", func(ctx context.Context, p *goose.Provider, db *sql.DB) error {
			_, err := p.DownTo(ctx, 0)
			return errors.Join(err, sqlchecks.Value(db, 0, "select count(*) from pg_class where relname = 'things'"))
		})},
	})
}

func version() string {
	info, _ := debug.ReadBuildInfo()
	for _, m := range info.Deps {
		if m.Path == "github.com/pressly/goose/v3" {
			return m.Version
		}
	}
	return ""
}

// with gives do a provider on connections with those settings; PG* of the environment
// has the rest.
func with(settings string, do func(context.Context, *goose.Provider, *sql.DB) error) func() error {
	return func() error {
		db, err := sql.Open("pgx", settings)
		if err != nil {
			return err
		}
		defer db.Close()
		p, err := goose.NewProvider(goose.DialectPostgres, db, migrations)
		if err != nil {
			return err
		}
		return do(context.Background(), p, db)
	}
}
