// Command pgx runs the checks of pgx v5 with its own interface and pool.
package main

import (
	"context"
	"errors"
	"runtime/debug"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pgkeyless/pgkeyless/integration/conformance/clients/harness/checks"
)

var ctx = context.Background()

func main() {
	checks.Main(version(), []checks.Check{
		{Name: "connect", Run: func() error { return value("", "app_user", "select current_user::text") }},
		{Name: "parameters", Run: parameters},
		{Name: "prepared", Run: prepared},
		{Name: "large-result", Run: largeResult},
		{Name: "copy-in", Run: copyIn},
		{Name: "copy-out", Run: copyOut},
		{Name: "notice", Run: notice},
		{Name: "error", Run: failure},
		{Name: "transaction", Run: transaction},
		{Name: "listen", Run: listen},
		{Name: "cancel", Run: cancel},
		{Name: "binary", Run: binary},
		{Name: "ten", Run: func() error {
			return checks.AtOnce(func(i int) error { return value("", int32(i), "select $1::int from pg_sleep(0.2)", i) })
		}},
		{Name: "plain", Run: func() error { return value("sslmode=disable", int32(1), "select 1") }},
		{Name: "tls", Run: func() error { return value("sslmode=require", int32(1), "select 1") }},
		{Name: "verify", Run: func() error { return value("host=localhost sslmode=verify-full", int32(1), "select 1") }},
		{Name: "pool", Run: pool},
	})
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

// value connects and wants the first value of the first row.
func value[T any](settings string, want T, sql string, args ...any) error {
	conn, err := pgx.Connect(ctx, settings) // takes PG* from the environment
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	return valueOn(conn, want, sql, args...)
}

type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func valueOn[T any](on querier, want T, sql string, args ...any) error {
	var got T
	if err := on.QueryRow(ctx, sql, args...).Scan(&got); err != nil {
		return err
	}
	return checks.Equal(got, want)
}

// with connects and runs statements before use.
func with(use func(conn *pgx.Conn) error, statements ...string) error {
	conn, err := pgx.Connect(ctx, "")
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return use(conn)
}

func parameters() error {
	return with(func(conn *pgx.Conn) error {
		var a string
		var b int
		var c float64
		var d *string
		if err := conn.QueryRow(ctx, "select $1::text, $2::int, $3::float8, $4::text", checks.Text, 42, 3.25, nil).Scan(&a, &b, &c, &d); err != nil {
			return err
		}
		return checks.Equal([]any{a, b, c, d}, []any{checks.Text, 42, 3.25, (*string)(nil)})
	})
}

func prepared() error {
	return with(func(conn *pgx.Conn) error {
		if _, err := conn.Prepare(ctx, "twice", "select $1::int * 2"); err != nil {
			return err
		}
		batch := &pgx.Batch{} // which goes out as a pipeline
		for i := range 10 {
			if err := valueOn(conn, i*2, "twice", i); err != nil {
				return err
			}
			batch.Queue("twice", i)
		}
		return conn.SendBatch(ctx, batch).Close()
	})
}

func largeResult() error {
	return with(func(conn *pgx.Conn) error {
		rows, _ := conn.Query(ctx, checks.Large)
		var n int
		var t string
		if _, err := pgx.ForEachRow(rows, []any{&t}, func() error { n++; return checks.LargeRow(n, t) }); err != nil {
			return err
		}
		return checks.Equal(n, checks.Rows)
	})
}

func copyIn() error {
	return with(func(conn *pgx.Conn) error {
		i := 0
		next := func() ([]any, error) {
			if i == checks.Copied {
				return nil, nil
			}
			i++
			return []any{i}, nil
		}
		if _, err := conn.CopyFrom(ctx, pgx.Identifier{"copied"}, []string{"id"}, pgx.CopyFromFunc(next)); err != nil {
			return err
		}
		return valueOn(conn, 200_010_000, "select sum(id) from copied")
	}, "create table copied (id int)")
}

func copyOut() error {
	return with(func(conn *pgx.Conn) error {
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
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, checks.Notice); err != nil {
		return err
	}
	return checks.Equal(seen, []string{"look here"})
}

func failure() error {
	return with(func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "select 1/0")
		return errors.Join(checks.Fails(err, "22012"), valueOn(conn, 1, "select 1"))
	})
}

func transaction() error {
	return with(func(conn *pgx.Conn) error {
		undo := errors.New("undo")
		err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "insert into kept values (1)"); err != nil {
				return err
			}
			return errors.Join(undo, value("", 0, "select count(*) from kept"))
		})
		if err.Error() != undo.Error() {
			return err
		}
		err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "insert into kept values (2)"); err != nil {
				return err
			}
			return checks.Fails(pgx.BeginFunc(ctx, tx, func(savepoint pgx.Tx) error {
				_, err := savepoint.Exec(ctx, "select * from nowhere")
				return err
			}), "42P01")
		})
		return errors.Join(err, value("", []int32{2}, "select array_agg(id) from kept"))
	}, "create table kept (id int)")
}

func listen() error {
	return with(func(conn *pgx.Conn) error {
		if err := value("", 1, "select 1 from pg_notify('news', $1)", checks.Text); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		return checks.Equal(n.Payload, checks.Text)
	}, "listen news")
}

func cancel() error {
	return with(func(conn *pgx.Conn) error {
		ended := make(chan error, 1)
		go func() {
			_, err := conn.Exec(ctx, checks.Sleep)
			ended <- err
		}()
		if err := checks.Until("the query to run", func() (bool, error) { return value("", 1, checks.Sleeps) == nil, nil }); err != nil {
			return err
		}
		if err := conn.PgConn().CancelRequest(ctx); err != nil {
			return err
		}
		return errors.Join(checks.Fails(<-ended, "57014"), valueOn(conn, 1, "select 1"))
	})
}

func binary() error {
	return with(func(conn *pgx.Conn) error {
		return errors.Join(valueOn(conn, checks.Bytes, "select $1::bytea", checks.Bytes),
			valueOn(conn, 1024, "select length($1::bytea)", checks.Bytes))
	})
}

func pool() error {
	p, err := pgxpool.New(ctx, "pool_max_conns=1")
	if err != nil {
		return err
	}
	defer p.Close()
	conn, err := p.Acquire(ctx)
	if err != nil {
		return err
	}
	if err := valueOn(conn, 1, "select 1"); err != nil { // pgkeyless replaces one that has asked nothing yet
		return err
	}
	if err := value("", true, "select pg_terminate_backend($1)", conn.Conn().PgConn().PID()); err != nil {
		return err
	}
	_, err = conn.Exec(ctx, checks.Sleep)
	conn.Release() // destroys what is broken
	return errors.Join(checks.Fails(err, ""), valueOn(p, 1, "select 1"))
}
