package integration

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

const whoAmI = "select current_user, current_database(), ssl from pg_stat_ssl where pid = pg_backend_pid()"

const itsMe = pgserver.AppUser + "|" + pgserver.Database + "|t"

func TestPsqlLogsInWithoutAPassword(t *testing.T) {
	w := start(t, setup{options: []string{noSpare}})
	for _, mode := range []string{"disable", "allow", "prefer", "require"} {
		if got := w.query("sslmode="+mode, whoAmI); got != itsMe {
			t.Errorf("sslmode=%s: got %q, want %q", mode, got, itsMe)
		}
	}
	sessions := w.aws.Sessions()
	if len(sessions) != 1 || sessions[0].Target != lab.Target || sessions[0].Host != lab.Host {
		t.Errorf("four logins used sessions %+v, want one to %s for %s", sessions, lab.Target, lab.Host)
	}
}

func TestUnixSocket(t *testing.T) {
	w := start(t, setup{})
	path := w.proxy.Sockets()[0]
	dir, file := filepath.Split(path)
	port := strings.TrimPrefix(file, ".s.PGSQL.")
	out, errs, err := psql(t, "host="+dir+" port="+port+" user=app_user dbname=app", "-c", whoAmI)
	if err != nil || out != itsMe {
		t.Errorf("through %s: %q, %v, want %q\n%s", path, out, err, itsMe, errs)
	}
}

func TestDirectTLS(t *testing.T) {
	w := start(t, setup{})
	conn := w.connect("sslmode=require sslnegotiation=direct")
	var user string
	if err := conn.QueryRow(t.Context(), "select current_user").Scan(&user); err != nil || user != pgserver.AppUser {
		t.Errorf("current_user = %q, %v", user, err)
	}
}

func TestStartupParametersReachTheDatabase(t *testing.T) {
	w := start(t, setup{})
	got := w.query("application_name=orders_ui client_encoding=LATIN1 options='-c statement_timeout=12345 -c search_path="+sqlMarker+"'",
		"select current_setting('application_name'), current_setting('client_encoding'), current_setting('statement_timeout'), current_setting('search_path')")
	if want := "orders_ui|LATIN1|12345ms|" + sqlMarker; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestUserAndDatabaseOptions(t *testing.T) {
	w := start(t, setup{options: []string{"user=" + pgserver.AppUser, "dbname=" + pgserver.Database}})
	cfg, err := pgx.ParseConfig(w.conninfo("sslmode=disable"))
	if err != nil {
		t.Fatal(err)
	}
	cfg.User, cfg.Database = "somebody", ""
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatalf("%v\n%s", err, w.proxy.Output())
	}
	defer conn.Close(context.Background())
	var user, database string
	if err := conn.QueryRow(t.Context(), "select current_user, current_database()").Scan(&user, &database); err != nil {
		t.Fatal(err)
	}
	if user != pgserver.AppUser || database != pgserver.Database {
		t.Errorf("logged in as %s to %s, want %s to %s", user, database, pgserver.AppUser, pgserver.Database)
	}
}

func TestDialWithoutTunnel(t *testing.T) {
	w := start(t, setup{args: []string{
		lab.Host + "?dial=" + shared.database.Address() + "&ca-file=" + shared.database.CAFile()}})
	if got := w.query("", whoAmI); got != itsMe {
		t.Errorf("got %q, want %q", got, itsMe)
	}
	if n := len(w.aws.Sessions()); n != 0 {
		t.Errorf("dial started %d SSM sessions", n)
	}
}

// TestEachLoginHasItsOwnToken shows it by the number of tokens the database
// verified.
func TestEachLoginHasItsOwnToken(t *testing.T) {
	w := start(t, setup{})
	before := len(w.database.Logins())
	for range 3 {
		w.query("sslmode=disable", "select 1")
	}
	logins := w.database.Logins()[before:]
	if len(logins) != 3 {
		t.Fatalf("%d tokens verified for 3 logins: %+v", len(logins), logins)
	}
	for _, l := range logins {
		if !l.OK {
			t.Errorf("token refused: %+v", l)
		}
	}
}

// TestSQLIsNotPrinted relies on every test's search of what pgkeyless printed.
func TestSQLIsNotPrinted(t *testing.T) {
	w := start(t, setup{})
	w.query("", "select '"+sqlMarker+"'")
	if _, errs, err := psql(t, w.conninfo(""), "-c", "select "+sqlMarker); err == nil || !strings.Contains(errs, sqlMarker) {
		t.Errorf("a wrong statement: %v, %q", err, errs)
	}
	if got := w.refused("options='-c work_mem=" + sqlMarker + "'"); got.Code != "22023" || !strings.Contains(got.Message, sqlMarker) {
		t.Errorf("refused with %+v, want the database's own 22023", got)
	}
}
