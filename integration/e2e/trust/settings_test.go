package trust

import (
	"context"
	"crypto/tls"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgkeyless/pgkeyless/integration/rig"
)

// Marks around the table of docs/clients.md.
const (
	beginSettings = "<!-- settings: each row is run by a test -->"
	endSettings   = "<!-- end of settings -->"
)

// row is one of that table: which client has which root certificates and which
// setting, and what comes of it.
type row struct{ client, roots, setting, outcome string }

// settings are the rows of the page. One that has several settings is one row for
// each.
func settings(t *testing.T) []row {
	t.Helper()
	page, err := os.ReadFile("../../../docs/clients.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, begins := strings.Cut(string(page), beginSettings)
	table, _, ends := strings.Cut(rest, endSettings)
	if !begins || !ends {
		t.Fatalf("docs/clients.md has no %s … %s", beginSettings, endSettings)
	}
	var rows []row
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 5 || !strings.Contains(line, "`") {
			continue // the head, or an empty line
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		for setting := range strings.SplitSeq(cells[2], ", ") {
			rows = append(rows, row{cells[0], cells[1], strings.Trim(setting, "`"), cells[3]})
		}
	}
	if len(rows) < 10 {
		t.Fatalf("%d rows in docs/clients.md", len(rows))
	}
	return rows
}

// Each row of the table in docs/clients.md is true. Those of node-postgres are run by
// integration/conformance/clients, which has npm.
func TestSettingsDoAsThePageSays(t *testing.T) {
	w := rig.Start(t, rig.Setup{})
	port := portOf(t, w)
	home := t.TempDir()
	roots := map[string]string{"none": filepath.Join(home, "none.crt"), "those of RDS": rig.Shared.Database.CAFile(), "pgkeyless's CA": caOf(t, w.Home)}
	jdbc := map[string]string{}
	node, err := os.ReadFile("../../conformance/clients/node-postgres/client.mjs")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range settings(t) {
		t.Run(r.client+", roots: "+r.roots+", "+r.setting, func(t *testing.T) {
			root, ok := roots[r.roots]
			if !ok {
				t.Fatalf("root certificates %q", r.roots)
			}
			outcome := strings.Trim(r.outcome, "`")
			switch r.client {
			case "psql":
				checkPsql(t, home, root, "host=localhost port="+port+" user=app_user dbname=app "+r.setting, outcome)
			case "pgx":
				conninfo := "host=localhost port=" + port + " user=app_user dbname=app " + r.setting
				if r.roots != "none" {
					conninfo += " sslrootcert=" + root
				}
				checkPgx(t, conninfo, outcome)
			case "pgjdbc":
				url := "jdbc:postgresql://localhost:" + port + "/app?user=app_user&" + strings.ReplaceAll(r.setting, "sslrootcert=…", "sslrootcert="+root)
				jdbc[url] = outcome
			case "node-postgres":
				if !strings.Contains(string(node), `"`+r.setting+`"`) {
					t.Errorf("integration/conformance/clients/node-postgres does not try %s", r.setting)
				}
				if outcome != "connects, verified" && outcome != "connects" && !strings.Contains(string(node), outcome) {
					t.Errorf("integration/conformance/clients/node-postgres does not expect %s", outcome)
				}
			default:
				t.Errorf("nobody runs the client %q", r.client)
			}
		})
	}
	checkJDBC(t, home, jdbc)
}

// checkPsql has root in the place where libpq looks by itself.
func checkPsql(t *testing.T, home, root, conninfo, outcome string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := rig.PsqlCommand(ctx, conninfo, "-c", `\conninfo`)
	cmd.Env = append(cmd.Env, "HOME="+home, "PGSSLROOTCERT="+root)
	said, err := cmd.CombinedOutput()
	checkOutcome(t, outcome, string(said), err, strings.Contains(string(said), "SSL connection"))
}

func checkPgx(t *testing.T, conninfo, outcome string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, conninfo)
	if err != nil {
		checkOutcome(t, outcome, err.Error(), err, false)
		return
	}
	defer conn.Close(ctx)
	_, secure := conn.PgConn().Conn().(*tls.Conn)
	checkOutcome(t, outcome, "", nil, secure)
}

// checkOutcome compares what a client has said with a cell of the table: the words of
// its error, or how it is connected.
func checkOutcome(t *testing.T, outcome, said string, err error, secure bool) {
	t.Helper()
	switch outcome {
	case "connects, verified", "connects, not verified", "connects":
		if err != nil || !secure {
			t.Errorf("%v, TLS: %v: %s; the page says that it %s", err, secure, said, outcome)
		}
	case "connects without TLS":
		if err != nil || secure {
			t.Errorf("%v, TLS: %v: %s; the page says that it %s", err, secure, said, outcome)
		}
	default:
		if err == nil || !strings.Contains(said, outcome) {
			t.Errorf("%v, %q; the page says %q", err, said, outcome)
		}
	}
}

// checkJDBC runs pgjdbc once, at all the URLs.
func checkJDBC(t *testing.T, home string, outcomes map[string]string) {
	t.Helper()
	var urls []string
	for url := range outcomes {
		urls = append(urls, url)
	}
	slices.Sort(urls)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "java", append([]string{"-Duser.home=" + home, "-cp", "/usr/share/java/postgresql.jar", "testdata/Ask.java"}, urls...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "LC_ALL=C.UTF-8"}
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	said := strings.Split(strings.TrimSpace(string(out)), "\n")
	if err != nil || len(said) != len(urls) {
		t.Fatalf("java: %v (scripts/install-deps installs it)\n%s%s", err, out, errs.String())
	}
	for i, url := range urls {
		outcome := outcomes[url]
		if connects := strings.HasPrefix(outcome, "connects"); connects && said[i] != "connected" || !connects && !strings.Contains(said[i], outcome) {
			t.Errorf("%s: %q; the page says %q", url, said[i], outcome)
		}
	}
}
