package dsql

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/dsql"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
)

const whoAmI = "select current_user || ' in ' || current_database()"

// By every name of a cluster, admin gets in without naming a database, and can let in
// others, with the SQL that policy prints. The stand-in has checked the token of each.
func TestLoginsByEveryNameOfACluster(t *testing.T) {
	d := rig.StartDSQL(t, nil)
	for i, name := range []string{lab.DSQLID, lab.DSQLARN, lab.DSQLHost} {
		w := rig.Start(t, rig.Setup{Args: []string{argument(d, name)}, Env: rig.InRegion, Faults: knows(lab.DSQLID)})
		if got := answer(t, w, "admin", whoAmI); got != "admin in postgres" {
			t.Errorf("%s: %q", name, got)
		}
		if i == 0 {
			if got := refusal(t, w, "app"); !strings.Contains(got, "access denied") || !strings.Contains(got, `AWS IAM GRANT "app" TO '`+lab.RoleARN+`'`) || !strings.Contains(got, "dsql:DbConnect") {
				t.Errorf("app before it is granted: %s", got)
			}
			roleApp(t, w)
		}
		if got := answer(t, w, "app", whoAmI); got != "app in postgres" {
			t.Errorf("%s: %q", name, got)
		}
		if l := last(t, d); l.User != "app" || l.Reason != "" || !l.Direct {
			t.Errorf("%s: %+v, want a login as app, over direct TLS", name, l)
		}
		if out := w.Proxy.Output(); !strings.Contains(out, " -U admin postgres") {
			t.Errorf("%s: the start does not say how to connect:\n%s", name, out)
		}
	}
}

// knows has the emulated account know a cluster.
func knows(identifier string) func(*awsemu.Emulator) {
	return func(e *awsemu.Emulator) { e.SetDSQL(0, awsemu.DSQLCluster{Identifier: identifier}) }
}

// pgx, psycopg and psql log in as they are, one after the other and side by side.
func TestDrivers(t *testing.T) {
	d := rig.StartDSQL(t, nil)
	w := start(t, d, lab.DSQLHost)
	roleApp(t, w)
	for _, user := range []string{"admin", "app"} {
		conn, err := pgx.Connect(t.Context(), at(t, w, user)+" sslmode=disable")
		if err != nil {
			t.Fatalf("pgx as %s: %v\n%s", user, err, w.Proxy.Output())
		}
		var got string
		if err := conn.QueryRow(t.Context(), whoAmI).Scan(&got); err != nil || got != user+" in postgres" {
			t.Errorf("pgx as %s: %q, %v", user, got, err)
		}
		conn.Close(t.Context())
		cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", "-B", "-c",
			"import sys, psycopg\nwith psycopg.connect(sys.argv[1]) as c: print(c.execute(sys.argv[2]).fetchone()[0])", at(t, w, user), whoAmI)
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "LC_ALL=C.UTF-8"}
		out, err := cmd.CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != user+" in postgres" {
			t.Errorf("psycopg as %s: %v (scripts/install-deps installs it)\n%s", user, err, out)
		}
	}
	all := make([]int, 8)
	rig.SideBySide(all, func(int) {
		t.Run("psql", func(t *testing.T) {
			if got := answer(t, w, "app", whoAmI); got != "app in postgres" {
				t.Errorf("psql: %q", got)
			}
		})
	})
	for _, l := range d.Logins() {
		if l.Reason != "" {
			t.Errorf("%+v", l)
		}
	}
}

// Errors of DSQL's optimistic concurrency control reach the client as they are.
func TestConcurrencyErrorsArePassedOn(t *testing.T) {
	d := rig.StartDSQL(t, nil)
	w := start(t, d, lab.DSQLHost)
	conn, err := pgx.Connect(t.Context(), at(t, w, "admin")+" sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	for _, code := range []string{"OC000", "OC001"} {
		words := "change conflicts with another transaction, please retry: (" + code + ")"
		_, err = conn.Exec(t.Context(), "do $$ begin raise exception '"+words+"' using errcode = '40001'; end $$")
		var said *pgconn.PgError
		if !errors.As(err, &said) || said.Code != "40001" || said.Message != words || said.Hint != "" || said.Detail != "" {
			t.Errorf("got %v, want 40001 with %q", err, words)
		}
	}
}

// However the server lets TLS begin, logins succeed, and the second tries at first what
// worked for the first.
func TestTLSBeginsAsTheServerLetsIt(t *testing.T) {
	d := rig.StartDSQL(t, nil)
	for _, test := range []struct {
		name          string
		how           dsql.TLS
		first, second map[string]int // connections of either kind
	}{
		{"either", dsql.EitherTLS, map[string]int{"direct": 1}, map[string]int{"direct": 1}},
		{"direct only", dsql.DirectTLS, map[string]int{"direct": 1}, map[string]int{"direct": 1}},
		{"request only", dsql.RequestTLS, map[string]int{"direct": 1, "request": 1}, map[string]int{"request": 1}},
		{"no ALPN", dsql.NoALPN, map[string]int{"direct": 1, "request": 1}, map[string]int{"request": 1}},
		{"request only, and a hello gets no answer", dsql.SilentTLS, map[string]int{"direct": 1, "request": 1}, map[string]int{"request": 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			d.SetTLS(test.how)
			w := start(t, d, lab.DSQLHost)
			for _, want := range []map[string]int{test.first, test.second} {
				before := d.Hellos()
				answer(t, w, "admin", "select 1")
				after := d.Hellos()
				for _, how := range []string{"direct", "request", "plain"} {
					if got := after[how] - before[how]; got != want[how] {
						t.Errorf("%d connections began by %s, want %d", got, how, want[how])
					}
				}
			}
		})
	}
	t.Run("a server that changes its mind", func(t *testing.T) {
		d.SetTLS(dsql.RequestTLS)
		w := start(t, d, lab.DSQLHost)
		for _, how := range []dsql.TLS{dsql.RequestTLS, dsql.DirectTLS, dsql.RequestTLS, dsql.RefusingTLS} {
			d.SetTLS(how)
			answer(t, w, "admin", "select 1")
		}
	})
	t.Run("as the user says", func(t *testing.T) {
		d.SetTLS(dsql.RequestTLS)
		w := start(t, d, lab.DSQLHost, "sslnegotiation=direct")
		if got := refusal(t, w, "admin"); !strings.Contains(got, "does not support direct TLS") {
			t.Errorf("got %s", got)
		}
		d.SetTLS(dsql.DirectTLS)
		w = start(t, d, lab.DSQLHost, "sslnegotiation=postgres")
		before := d.Hellos()
		refusal(t, w, "admin")
		if after := d.Hellos(); after["request"] == before["request"] || after["direct"] != before["direct"] {
			t.Errorf("connections began %v, then %v; want more by request, and no more by direct", before, after)
		}
	})
}

// A certificate that is not right ends the login, whichever way TLS begins: there is no
// fallback from that, and no token is sent.
func TestCertificatesAreVerified(t *testing.T) {
	ours := rig.StartDSQL(t, nil)
	for _, test := range []struct {
		name   string
		change func(*dsql.Config)
		caFile string
		want   string
	}{
		{"another name", func(c *dsql.Config) { c.Host, c.CA = "other.dsql."+lab.Region+".on.aws", ours.CA() }, ours.CAFile(), "is for another name"},
		{"another authority", nil, ours.CAFile(), "is not trusted"},
	} {
		for _, how := range []dsql.TLS{dsql.DirectTLS, dsql.RequestTLS} {
			d := rig.StartDSQL(t, test.change)
			d.SetTLS(how)
			w := rig.Start(t, rig.Setup{Args: []string{lab.DSQLHost + "?dial=" + d.Address() + "&ca-file=" + test.caFile}})
			if got := refusal(t, w, "admin"); !strings.Contains(got, test.want) {
				t.Errorf("%s: %s, want %q", test.name, got, test.want)
			}
			if n := len(d.Logins()); n != 0 {
				t.Errorf("%s: %d tokens came", test.name, n)
			}
		}
	}
}

// What DSQL says when it has no room comes with what to do; a rate that is exceeded is
// tried a second time.
func TestLimits(t *testing.T) {
	d := rig.StartDSQL(t, nil)
	w := start(t, d, lab.DSQLHost)
	d.RefuseFull(1)
	if got := refusal(t, w, "admin"); !strings.Contains(got, "Unable to accept connection, too many open connections.") || !strings.Contains(got, "HINT:  the cluster has reached its quota of connections") {
		t.Errorf("too many: %s", got)
	}
	w.AwaitCause("dsql-full")
	d.RefuseRate(1)
	if got := answer(t, w, "admin", whoAmI); got != "admin in postgres" {
		t.Errorf("a rate that was exceeded once: %q", got)
	}
	d.RefuseRate(2)
	if got := refusal(t, w, "admin"); !strings.Contains(got, "Unable to accept connection, rate exceeded.") || !strings.Contains(got, "HINT:  a DSQL cluster accepts 100 new connections per second") {
		t.Errorf("a rate that was exceeded twice: %s", got)
	}
	w.AwaitCause("dsql-rate")
	d.RefuseRate(0)
	if got := answer(t, w, "admin", "select 1"); got != "1" {
		t.Errorf("afterwards: %q", got)
	}
}

// Guards work where the server accepts them, and refuse the login with a reason where it
// does not, or where it does not do what they say.
func TestGuards(t *testing.T) {
	d := rig.StartDSQL(t, nil)
	for _, test := range []struct {
		name    string
		params  dsql.Parameters
		options []string
		want    string // of the refusal
		cause   string
		state   string // else: what the session has
	}{
		{"accepted", dsql.Accept, []string{"read-only", "statement-timeout=30s"}, "", "", "on|30s"},
		{"refused", dsql.Refuse, []string{"read-only"}, `HINT:  DSQL does not have this parameter`, "dsql-setting", ""},
		{"refused timeout", dsql.Refuse, []string{"statement-timeout=30s"}, `setting configuration parameter "statement_timeout" not supported`, "dsql-setting", ""},
		{"ignored", dsql.Ignore, []string{"read-only"}, "does not report that the session is read-only", "guard-unconfirmed", ""},
		{"none", dsql.Refuse, nil, "", "", "off|0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d.SetParameters(test.params)
			w := start(t, d, lab.DSQLHost, test.options...)
			if test.want == "" {
				if got := answer(t, w, "admin", rig.Guarded); got != test.state {
					t.Errorf("%q, want %q", got, test.state)
				}
				return
			}
			if got := refusal(t, w, "admin"); !strings.Contains(got, test.want) {
				t.Errorf("%s, want %q", got, test.want)
			}
			w.AwaitCause(test.cause)
			if out := w.Proxy.Output(); !strings.Contains(out, "Aurora DSQL may not accept read-only") {
				t.Errorf("the start does not warn:\n%s", out)
			}
		})
	}
}

// On a shared port a user that is named with the target gets the one database, too, and so
// does a client that names the target with the database.
func TestSharedPort(t *testing.T) {
	d := rig.StartDSQL(t, nil)
	w := rig.Start(t, rig.Setup{Args: []string{argument(d, lab.DSQLHost), lab.Host + "?via=" + lab.Target}, Flags: []string{"--shared-port"}})
	if got := answer(t, w, "admin@"+lab.DSQLHost, whoAmI); got != "admin in postgres" {
		t.Errorf("by user: %q", got)
	}
	if got := answer(t, w, "admin dbname=postgres@"+lab.DSQLHost, whoAmI); got != "admin in postgres" {
		t.Errorf("by database: %q", got)
	}
}

// The commands name admin and postgres where nobody else is named.
func TestCommandsNameTheUsualUser(t *testing.T) {
	d := rig.StartDSQL(t, nil)
	w := start(t, d, lab.DSQLHost)
	w.AWS.SetDSQL(0, awsemu.DSQLCluster{Identifier: lab.DSQLID})
	roleApp(t, w)
	env := append(rig.Shared.Keys.Env(w.AWS.URL()), "HOME="+w.Home, "PATH="+os.Getenv("PATH"), "PGPASSFILE="+filepath.Join(w.Home, "none"))
	served := argument(d, lab.DSQLHost)
	for _, test := range []struct {
		env  []string
		args []string
		want string
	}{
		{nil, []string{"exec", served, "--", "psql", "-XAt", "-c", whoAmI}, "admin in postgres"},
		{nil, []string{"exec", argument(d, lab.DSQLHost, "user=app"), "--", "psql", "-XAt", "-c", whoAmI}, "app in postgres"},
		{[]string{"PGUSER=app"}, []string{"exec", served, "--", "psql", "-XAt", "-c", whoAmI}, "app in postgres"},
		{nil, []string{"exec", argument(d, lab.DSQLID, "region="+lab.Region), "--", "psql", "-XAt", "-c", whoAmI}, "admin in postgres"},
		{nil, []string{"env", served}, "export PGUSER=admin\nexport PGDATABASE=postgres"},
		{nil, []string{"service-file", "--stdout", served}, "user=admin\ndbname=postgres"},
		{nil, []string{"token", lab.DSQLHost}, lab.DSQLHost + "/?Action=DbConnectAdmin&"},
		{nil, []string{"token", lab.DSQLARN, "--user", "app"}, lab.DSQLHost + "/?Action=DbConnect&"},
	} {
		out, errs, code := rig.Run(t, slices.Concat(env, test.env), test.args...)
		if code != 0 || !strings.Contains(out, test.want) {
			t.Errorf("%v %s: code %d, %q, want %q\n%s", test.env, strings.Join(test.args, " "), code, out, test.want, errs)
		}
	}
}
