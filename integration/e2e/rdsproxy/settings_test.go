// Package rdsproxy is about databases behind an RDS Proxy, for which a stand-in is there.
package rdsproxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
	"github.com/pgkeyless/pgkeyless/integration/rig/rdsproxy"
)

// settings is what a client may have set, in one row.
const settings = `select current_setting('search_path') || '|' || current_setting('statement_timeout') || '|' || current_setting('datestyle') || '|' ||
	current_setting('timezone') || '|' || current_setting('application_name') || '|' || current_setting('work_mem') || '|' || current_setting('enable_seqscan') || '|' ||
	current_setting('default_transaction_read_only') || '|' || current_setting('transaction_read_only') || '|' || current_setting('transaction_isolation') || '|' ||
	coalesce(current_setting('my.own', true), 'none') || '|' || array_to_string(current_schemas(false), ',')`

// either connects to a listener of w, with start-up parameters that no driver would send so,
// and returns what the settings are, or the SQLSTATE of the refusal.
func either(t *testing.T, w *rig.World, listener int, params map[string]string) (got, message string) {
	t.Helper()
	host, port, err := net.SplitHostPort(w.Proxy.Addresses()[listener])
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := pgx.ParseConfig(fmt.Sprintf("host=%s port=%s user=%s dbname=%s sslmode=disable connect_timeout=60", host, port, pgserver.AppUser, pgserver.Database))
	if err != nil {
		t.Fatal(err)
	}
	cfg.RuntimeParams = params
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	var said *pgconn.PgError
	switch {
	case errors.As(err, &said):
		if said.Severity != "FATAL" {
			t.Errorf("%q refused with severity %s", params, said.Severity)
		}
		return said.Code, said.Message
	case err != nil:
		t.Fatalf("%q: %v\n%s", params, err, w.Proxy.Output())
	}
	defer conn.Close(context.Background())
	if err := conn.QueryRow(t.Context(), settings).Scan(&got); err != nil {
		t.Fatal(err)
	}
	return got, ""
}

// TestSettingsMeanWhatTheyMeanAtTheDatabase compares sessions through the proxy with
// sessions at the database itself, which was sent the same StartupMessage.
func TestSettingsMeanWhatTheyMeanAtTheDatabase(t *testing.T) {
	pool := rig.StartRDSProxy(t, nil)
	w := rig.Start(t, rig.Pooled(pool))
	w.Query("", `create schema if not exists "Odd one"; create schema if not exists shop; create schema if not exists shop2`)
	for _, params := range []map[string]string{
		{},
		{"options": "-c search_path=shop"},
		{"options": `-c search_path=shop,public`},
		{"options": `-c search_path=shop,\ public`},
		{"options": `-c search_path="Odd\ one",SHOP`},
		{"options": `-c search_path=`},
		{"search_path": `shop, "Odd one"`},
		{"search_path": `it's\odd`},
		{"search_path": `shop,,public`},
		{"options": `-c search_path=shop`, "search_path": "shop2"},
		{"options": "-csearch_path=shop --statement-timeout=1234 -c  my.own=a\\ b\\\\c'd"},
		{"options": "--search-path=shop --work-mem=4MB"},
		{"options": "-S 2048 -fs"},
		{"options": "-e"},
		{"options": "-c TimeZone=Asia/Tokyo -c DateStyle=SQL,DMY -c application_name=one", "timezone": "Europe/Berlin"},
		{"DateStyle": "German", "application_name": "two", "statement_timeout": "1min"},
		{"DateStyle": "ISO", "options": "-c datestyle=DMY"},
		{"DateStyle": "ISO", "options": "-c datestyle=SQL,DMY"},
		{"DateStyle": "DMY", "options": "-c datestyle=SQL,MDY -e"},
		{"STATEMENT_TIMEOUT": "5s", "options": "-c statement_timeout=1"},
		{"options": "-c transaction_read_only=on -c search_path=shop"},
		{"options": "-c transaction_read_only=off -c default_transaction_read_only=on"},
		{"options": "-c transaction_isolation=serializable"},
		{"options": "-c default_transaction_isolation=serializable", "transaction_deferrable": "on"},
		{"options": "-c statement_timeout=soon"},
		{"options": "-c no_such_parameter=1"},
		{"options": "-c max_connections=5"},
		{"options": "-c log_statement=all"},
		{"options": "-c search_path"},
		{"options": "search_path=shop"},
		{"options": "-Z"},
		{"options": "-x 1"},
		{"options": "--"},
	} {
		want, direct := either(t, w, 1, params)
		got, message := either(t, w, 0, params)
		if got != want {
			t.Errorf("%q: %s (%s), want %s (%s)", params, got, message, want, direct)
		}
	}
	if out := w.Proxy.Output(); strings.Contains(out, "Odd one") || strings.Contains(out, "soon") {
		t.Error("a value is in the log")
	}
	if seen := pool.Stats(); seen.Pinned == 0 {
		t.Error("no session was pinned")
	}
	for _, login := range pool.Stats().Logins {
		if login.Refused != "" {
			t.Errorf("the proxy refused %q: %s", login.Parameters, login.Refused)
		}
	}
}

// TestSettingInTheClientsEncoding has a backslash for the second byte of a character.
func TestSettingInTheClientsEncoding(t *testing.T) {
	w := rig.Start(t, rig.Pooled(rig.StartRDSProxy(t, nil)))
	cfg, err := pgx.ParseConfig(w.Conninfo("sslmode=disable connect_timeout=60"))
	if err != nil {
		t.Fatal(err)
	}
	cfg.RuntimeParams = map[string]string{"client_encoding": "SJIS", "my.own": "\x95\x5c'\\"}
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var got string
	if err := conn.QueryRow(t.Context(), "select encode(convert_to(current_setting('my.own'), 'UTF8'), 'hex')").Scan(&got); err != nil || got != "e8a1a8275c" {
		t.Errorf("my.own is %s, %v; want the UTF-8 of U+8868, a quote and a backslash", got, err)
	}
}

// TestSettingsStayOutOfTheListOfStatements is about what other users may see.
func TestSettingsStayOutOfTheListOfStatements(t *testing.T) {
	w := rig.Start(t, rig.Pooled(rig.StartRDSProxy(t, nil)))
	w.Connect("application_name=looked-at options='-c my.own=" + rig.SQLMarker + "'")
	got := w.Query("", "select query from pg_stat_activity where application_name = 'looked-at'")
	if got != "SELECT pg_catalog.set_config($1, $2, false)" {
		t.Errorf("pg_stat_activity has %q", got)
	}
}

// TestPsqlWithOptions is what people meet first.
func TestPsqlWithOptions(t *testing.T) {
	pool := rig.StartRDSProxy(t, nil)
	w := rig.Start(t, rig.Pooled(pool))
	const options = "options='-c search_path=" + rig.SQLMarker + ",pg_catalog'"
	for range 3 { // the second and later logins may know what the first one met
		if got := w.Query(options, "show search_path"); got != rig.SQLMarker+",pg_catalog" {
			t.Errorf("search_path is %q", got)
		}
	}
	for _, login := range pool.Stats().Logins {
		if login.Refused != "" || len(login.Parameters) == 0 {
			t.Errorf("the proxy got %q, and said %q", login.Parameters, login.Refused)
		}
	}
	_, errs, err := rig.Psql(t, w.Conninfo("options='-c statement_timeout="+rig.SQLMarker+"'"), "-c", "select 1")
	if err == nil || !strings.Contains(errs, `FATAL:  invalid value for parameter "statement_timeout": "`+rig.SQLMarker+`"`) ||
		!strings.Contains(errs, "RDS Proxy does not accept these start-up parameters, so pgkeyless sets them after the login: statement_timeout") {
		t.Errorf("psql says %v, %s", err, errs)
	}
	w.AwaitCause("setting-failed")
	for _, once := range []string{"start-up parameters are set after the login", "sends no cancel keys"} {
		if n := strings.Count(w.Proxy.Output(), once); n != 1 {
			t.Errorf("the log says %q %d times, want once\n%s", once, n, w.Proxy.Output())
		}
	}
}

// TestUserWithASecret is logged in by the password that the proxy has.
func TestUserWithASecret(t *testing.T) {
	w := rig.Start(t, rig.Pooled(rig.StartRDSProxy(t, nil)))
	if got := w.Query("user="+pgserver.PlainUser+" options='-c search_path=shop'", "select current_user || current_setting('search_path')"); got != pgserver.PlainUser+"shop" {
		t.Errorf("got %q", got)
	}
}

// TestProxyByIdentifier looks the proxy up, and its endpoint for reading.
func TestProxyByIdentifier(t *testing.T) {
	pool := rig.StartRDSProxy(t, nil)
	reader := rig.StartRDSProxy(t, func(c *rdsproxy.Config) { c.Host = rig.PooledReader })
	for target, of := range map[string]*rdsproxy.Server{"pooled": pool, "pooled-ro": reader} {
		w := rig.Start(t, rig.Setup{
			Args:      []string{target + "?via=" + lab.Target + "&ca-file=" + of.CAFile()},
			Databases: rig.Account(), Env: rig.InRegion,
			Emulator: func(c *awsemu.Config) {
				rig.LeadTo(pool)(c)
				c.Hosts[rig.PooledReader+":5432"] = reader.Address()
			},
		})
		if got := w.Query("options='-c search_path=shop,public'", "show search_path"); got != "shop,public" {
			t.Errorf("%s: %q", target, got)
		}
		if n := len(of.Stats().Logins); n != 1 {
			t.Errorf("%s: %d logins there", target, n)
		}
	}
}

// TestGuardsHoldBehindRDSProxy is TestGuardsGoBeforeWhatTheClientAsksFor, and with each of
// what may become of a client's own parameters.
func TestGuardsHoldBehindRDSProxy(t *testing.T) {
	pool := rig.StartRDSProxy(t, nil)
	for _, others := range []string{"set", "drop", "refuse"} {
		w := rig.Start(t, rig.Pooled(pool, "read-only", "statement-timeout=30s", "rds-proxy-settings="+others))
		for _, extra := range []string{
			"",
			"options='-c statement_timeout=0 -c default_transaction_read_only=off'",
			"options='--statement-timeout=0 -cDEFAULT_transaction_read_only=off'",
		} {
			if others == "refuse" && extra != "" {
				continue
			}
			if got := w.Query(extra, rig.Guarded); got != "on|30s" {
				t.Errorf("%s, psql with %s: %q", others, extra, got)
			}
		}
		warning := "RESET ALL and DISCARD ALL, which some connection pools send"
		w.AwaitLine(warning)
		if out := w.Proxy.Output(); strings.Count(out, warning) != 1 || !strings.Contains(out, "ALTER ROLE") || !strings.Contains(out, `parameters="default_transaction_read_only, statement_timeout"`) {
			t.Errorf("%s: the log does not say once %q\n%s", others, warning, out)
		}
	}
}

func TestDroppedAndRefusedParametersAreNamed(t *testing.T) {
	pool := rig.StartRDSProxy(t, nil)
	const options = "options='-c search_path=" + rig.SQLMarker + " -c TimeZone=Asia/Tokyo -c work_mem=4MB'"
	drops := rig.Start(t, rig.Pooled(pool, "rds-proxy-settings=drop"))
	for range 2 {
		if got := drops.Query(options, "select current_setting('search_path') || current_setting('timezone')"); got != `"$user", publicAsia/Tokyo` {
			t.Errorf("dropped: %q", got)
		}
	}
	dropped := `start-up parameters dropped route=` + lab.PooledHost + ` server="RDS Proxy" parameters="search_path, work_mem"`
	drops.AwaitLine(dropped)
	if n := strings.Count(drops.Proxy.Output(), dropped); n != 1 {
		t.Errorf("the log names what is dropped %d times\n%s", n, drops.Proxy.Output())
	}
	before := len(pool.Stats().Logins)
	refuses := rig.Start(t, rig.Pooled(pool, "rds-proxy-settings=refuse"))
	_, errs, err := rig.Psql(t, refuses.Conninfo(options), "-c", "select 1")
	if err == nil || !strings.Contains(errs, "FATAL:  RDS Proxy does not accept these start-up parameters: search_path, work_mem") || !strings.Contains(errs, "rds-proxy-settings=set") {
		t.Errorf("psql says %v, %s", err, errs)
	}
	if n := len(pool.Stats().Logins); n != before {
		t.Errorf("%d StartupMessages came to the proxy", n-before)
	}
	if got := refuses.Query("options='-c TimeZone=Asia/Tokyo'", "show timezone"); got != "Asia/Tokyo" {
		t.Errorf("what RDS Proxy accepts is %q", got)
	}
}

// TestReadyLoginsHaveTheirSettings switches ready logins on.
func TestReadyLoginsHaveTheirSettings(t *testing.T) {
	pool := rig.StartRDSProxy(t, nil)
	w := rig.Start(t, rig.Pooled(pool, "ready-logins=2", "statement-timeout=30s"))
	const options = "options='-c search_path=shop,public'"
	const ask = "select current_setting('search_path') || current_setting('statement_timeout')"
	if got := w.Query(options, ask); got != "shop,public30s" {
		t.Errorf("the first client: %q", got)
	}
	w.AwaitLine("login made ready")
	if got := w.Query(options, ask); got != "shop,public30s" {
		t.Errorf("the next client: %q", got)
	}
	w.AwaitLine("ready login handed out")
}
