// Command lib-pq runs the checks of lib/pq through database/sql.
package main

import (
	"context"
	"database/sql"
	"errors"
	"runtime/debug"
	"time"

	"github.com/lib/pq"

	"github.com/pgkeyless/pgkeyless/integration/conformance/clients/harness/checks"
	"github.com/pgkeyless/pgkeyless/integration/conformance/clients/harness/checks/sqlchecks"
)

func main() {
	common := sqlchecks.Checks{Open: open}
	checks.Main(version(), append(common.All(),
		checks.Check{Name: "copy-in", Run: copyIn},
		checks.Check{Name: "copy-out", Run: func() error {
			return checks.NotAvailable("lib/pq copies in only")
		}},
		checks.Check{Name: "notice", Run: notice},
		checks.Check{Name: "listen", Run: listen},
		checks.Check{Name: "verify", Run: verify},
	))
}

func version() string {
	info, _ := debug.ReadBuildInfo()
	for _, m := range info.Deps {
		if m.Path == "github.com/lib/pq" {
			return m.Version
		}
	}
	return ""
}

// open makes a pool; settings are lib/pq's, and PG* of the environment.
func open(settings string) (*sql.DB, error) { return sql.Open("postgres", settings) }

func verify() error {
	db, err := open("host=localhost sslmode=verify-full")
	if err != nil {
		return err
	}
	defer db.Close()
	return sqlchecks.Value(db, 1, "select 1")
}

func copyIn() error {
	db, err := open("")
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.Exec("create table copied (id int)"); err != nil {
		return err
	}
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	s, err := tx.Prepare("copy copied (id) from stdin")
	if err != nil {
		return err
	}
	for i := range checks.Copied {
		if _, err := s.Exec(i); err != nil {
			return err
		}
	}
	if _, err := s.Exec(); err != nil {
		return err
	}
	if err := errors.Join(s.Close(), tx.Commit()); err != nil {
		return err
	}
	return sqlchecks.Value(db, int64(199_990_000), "select sum(id) from copied")
}

func notice() error {
	base, err := pq.NewConnector("")
	if err != nil {
		return err
	}
	var seen []string
	db := sql.OpenDB(pq.ConnectorWithNoticeHandler(base, func(n *pq.Error) { seen = append(seen, n.Message) }))
	defer db.Close()
	if _, err := db.Exec(checks.Notice); err != nil {
		return err
	}
	return checks.Equal(seen, []string{"look here"})
}

func listen() error {
	l := pq.NewListener("", time.Second, time.Minute, nil)
	defer l.Close()
	if err := l.Listen("news"); err != nil {
		return err
	}
	db, err := open("")
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.Exec("select pg_notify('news', $1)", checks.Text); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	select {
	case n := <-l.Notify:
		return checks.Equal(n.Extra, checks.Text)
	case <-ctx.Done():
		return errors.New("no notification came")
	}
}
