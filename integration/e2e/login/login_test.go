package login

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

func TestPsqlLogsInWithoutAPassword(t *testing.T) {
	w := rig.Start(t, rig.Setup{Options: []string{rig.NoSpare}})
	for _, mode := range []string{"disable", "allow", "prefer", "require"} {
		if got := w.Query("sslmode="+mode, rig.WhoAmI); got != rig.ItsMe {
			t.Errorf("sslmode=%s: got %q, want %q", mode, got, rig.ItsMe)
		}
	}
	w.MustHaveStarted(1)
	for _, s := range w.AWS.Sessions() {
		if s.Target != lab.Target || s.Host != lab.Host {
			t.Errorf("four logins used session %+v, want one to %s for %s", s, lab.Target, lab.Host)
		}
	}
}

func TestUnixSocket(t *testing.T) {
	w := rig.Start(t, rig.Setup{})
	path := w.Proxy.Sockets()[0]
	dir, file := filepath.Split(path)
	port := strings.TrimPrefix(file, ".s.PGSQL.")
	out, errs, err := rig.Psql(t, "host="+dir+" port="+port+" user=app_user dbname=app", "-c", rig.WhoAmI)
	if err != nil || out != rig.ItsMe {
		t.Errorf("through %s: %q, %v, want %q\n%s", path, out, err, rig.ItsMe, errs)
	}
}

func TestDirectTLS(t *testing.T) {
	w := rig.Start(t, rig.Setup{})
	conn := w.Connect("sslmode=require sslnegotiation=direct")
	var user string
	if err := conn.QueryRow(t.Context(), "select current_user").Scan(&user); err != nil || user != pgserver.AppUser {
		t.Errorf("current_user = %q, %v", user, err)
	}
}

func TestStartupParametersReachTheDatabase(t *testing.T) {
	w := rig.Start(t, rig.Setup{})
	got := w.Query("application_name=orders_ui client_encoding=LATIN1 options='-c statement_timeout=12345 -c search_path="+rig.SQLMarker+"'",
		"select current_setting('application_name'), current_setting('client_encoding'), current_setting('statement_timeout'), current_setting('search_path')")
	if want := "orders_ui|LATIN1|12345ms|" + rig.SQLMarker; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestUserAndDatabaseOptions(t *testing.T) {
	w := rig.Start(t, rig.Setup{Options: []string{"user=" + pgserver.AppUser, "dbname=" + pgserver.Database}})
	cfg, err := pgx.ParseConfig(w.Conninfo("sslmode=disable"))
	if err != nil {
		t.Fatal(err)
	}
	cfg.User, cfg.Database = "somebody", ""
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatalf("%v\n%s", err, w.Proxy.Output())
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
	w := rig.Start(t, rig.Setup{Args: []string{
		lab.Host + "?dial=" + rig.Shared.Database.Address() + "&ca-file=" + rig.Shared.Database.CAFile()}})
	if got := w.Query("", rig.WhoAmI); got != rig.ItsMe {
		t.Errorf("got %q, want %q", got, rig.ItsMe)
	}
	if n := len(w.AWS.Sessions()); n != 0 {
		t.Errorf("dial started %d SSM sessions", n)
	}
}

// TestEachLoginHasItsOwnToken shows it by the number of tokens the database
// verified.
func TestEachLoginHasItsOwnToken(t *testing.T) {
	w := rig.Start(t, rig.Setup{Options: []string{"ready-logins=0"}})
	before := len(w.Database.Logins())
	for range 3 {
		w.Query("sslmode=disable", "select 1")
	}
	logins := w.Database.Logins()[before:]
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
	w := rig.Start(t, rig.Setup{})
	w.Query("", "select '"+rig.SQLMarker+"'")
	if _, errs, err := rig.Psql(t, w.Conninfo(""), "-c", "select "+rig.SQLMarker); err == nil || !strings.Contains(errs, rig.SQLMarker) {
		t.Errorf("a wrong statement: %v, %q", err, errs)
	}
	if got := w.Refused("options='-c work_mem=" + rig.SQLMarker + "'"); got.Code != "22023" || !strings.Contains(got.Message, rig.SQLMarker) {
		t.Errorf("refused with %+v, want the database's own 22023", got)
	}
}
