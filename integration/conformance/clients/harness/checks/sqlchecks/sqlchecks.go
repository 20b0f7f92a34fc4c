// Package sqlchecks is the checks that every driver of database/sql can do.
package sqlchecks

import (
	"context"
	"database/sql"
	"errors"

	"github.com/pgkeyless/pgkeyless/integration/conformance/clients/harness/checks"
)

var ctx = context.Background()

// Checks are made with pools that Open opens, with settings as "sslmode=require"
// or none. The checks close them.
type Checks struct {
	Open func(settings string) (*sql.DB, error)
}

// All has the checks that need nothing but database/sql.
func (c Checks) All() []checks.Check {
	return []checks.Check{
		{Name: "connect", Run: c.with("", func(db *sql.DB) error { return Value(db, "app_user", "select current_user::text") })},
		{Name: "parameters", Run: c.with("", parameters)},
		{Name: "prepared", Run: c.with("", prepared)},
		{Name: "large-result", Run: c.with("", largeResult)},
		{Name: "error", Run: c.with("", failure)},
		{Name: "transaction", Run: c.with("", transaction)},
		{Name: "cancel", Run: c.with("", cancel)},
		{Name: "binary", Run: c.with("", binary)},
		{Name: "ten", Run: c.with("", ten)},
		{Name: "plain", Run: c.with("sslmode=disable", func(db *sql.DB) error { return Value(db, 1, "select 1") })},
		{Name: "tls", Run: c.with("sslmode=require", func(db *sql.DB) error { return Value(db, 1, "select 1") })},
		{Name: "pool", Run: c.with("", pool)},
	}
}

func (c Checks) with(settings string, use func(db *sql.DB) error) func() error {
	return func() error {
		db, err := c.Open(settings)
		if err != nil {
			return err
		}
		defer db.Close()
		return use(db)
	}
}

type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// Value wants the first value of the first row.
func Value[T any](on querier, want T, query string, args ...any) error {
	var got T
	if err := on.QueryRowContext(ctx, query, args...).Scan(&got); err != nil {
		return err
	}
	return checks.Equal(got, want)
}

func parameters(db *sql.DB) error {
	var a string
	var b int
	var c float64
	var d sql.NullString
	if err := db.QueryRow("select $1::text, $2::int, $3::float8, $4::text", checks.Text, 42, 3.25, nil).Scan(&a, &b, &c, &d); err != nil {
		return err
	}
	return checks.Equal([]any{a, b, c, d.Valid}, []any{checks.Text, 42, 3.25, false})
}

func prepared(db *sql.DB) error {
	s, err := db.Prepare("select $1::int * 2")
	if err != nil {
		return err
	}
	defer s.Close()
	for i := range 10 {
		var got int
		if err := s.QueryRow(i).Scan(&got); err != nil {
			return err
		}
		if err := checks.Equal(got, i*2); err != nil {
			return err
		}
	}
	return nil
}

func largeResult(db *sql.DB) error {
	rows, err := db.Query(checks.Large)
	if err != nil {
		return err
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		var t string
		n++
		if err := errors.Join(rows.Scan(&t), checks.LargeRow(n, t)); err != nil {
			return err
		}
	}
	return errors.Join(rows.Err(), checks.Equal(n, checks.Rows))
}

func failure(db *sql.DB) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.ExecContext(ctx, "select 1/0")
	return errors.Join(checks.Fails(err, "22012"), Value(conn, 1, "select 1"))
}

func transaction(db *sql.DB) error {
	if _, err := db.Exec("create table kept (id int)"); err != nil {
		return err
	}
	for id, end := range []func(*sql.Tx) error{(*sql.Tx).Rollback, (*sql.Tx).Commit} {
		tx, err := db.Begin()
		if err != nil {
			return err
		}
		defer tx.Rollback()
		if _, err := tx.Exec("insert into kept values ($1)", id); err != nil {
			return err
		}
		if err := Value(db, 0, "select count(*) from kept"); err != nil {
			return err
		}
		if _, err := tx.Exec("savepoint s"); err != nil {
			return err
		}
		_, err = tx.Exec("select * from nowhere")
		_, again := tx.Exec("select 1")
		if err := errors.Join(checks.Fails(err, "42P01"), checks.Fails(again, "25P02")); err != nil {
			return err
		}
		if _, err := tx.Exec("rollback to s"); err != nil {
			return err
		}
		if err := end(tx); err != nil {
			return err
		}
	}
	return Value(db, "{1}", "select array_agg(id)::text from kept")
}

func cancel(db *sql.DB) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	sleeping, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() {
		_, err := conn.ExecContext(sleeping, checks.Sleep)
		ended <- err
	}()
	running := func(n int) func() (bool, error) {
		return func() (bool, error) { return Value(db, n, checks.Sleeps) == nil, nil }
	}
	if err := checks.Until("the query to run", running(1)); err != nil {
		return err
	}
	stop() // which the driver turns into a CancelRequest
	return errors.Join(checks.Fails(<-ended, ""), checks.Until("the query to end", running(0)), Value(db, 1, "select 1"))
}

func binary(db *sql.DB) error {
	return errors.Join(Value(db, checks.Bytes, "select $1::bytea", checks.Bytes),
		Value(db, 1024, "select length($1::bytea)", checks.Bytes))
}

func ten(db *sql.DB) error {
	return checks.AtOnce(func(i int) error { return Value(db, i, "select $1::int from pg_sleep(0.2)", i) })
}

func pool(db *sql.DB) error {
	db.SetMaxOpenConns(2)
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	var pid int
	if err := conn.QueryRowContext(ctx, "select pg_backend_pid()").Scan(&pid); err != nil {
		return err
	}
	if err := Value(db, true, "select pg_terminate_backend($1)", pid); err != nil {
		return err
	}
	_, err = conn.ExecContext(ctx, checks.Sleep)
	conn.Close()
	db.SetMaxOpenConns(1)
	return errors.Join(checks.Fails(err, ""), Value(db, 1, "select 1"))
}
