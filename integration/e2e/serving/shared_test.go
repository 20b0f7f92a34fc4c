package serving

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// jdbcDriver is where Debian puts pgjdbc.
const jdbcDriver = "/usr/share/java/postgresql.jar"

// billingHost is a second database's.
const billingHost = "billing.c9akciq32abc.eu-central-1.rds.amazonaws.com"

const whereAmI = "select current_user || ' ' || inet_server_port()"

// TestSharedPort has two databases on one port, chosen in every way by psql, pgx
// and pgjdbc.
func TestSharedPort(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 6*time.Minute)
	defer cancel()
	second, err := lab.StartDatabase(ctx, rig.Shared.Keys, func(c *pgserver.Config) { c.Host = billingHost })
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	target := func(host string, db *pgserver.Server) string {
		return host + "?dial=" + db.Address() + "&ca-file=" + db.CAFile()
	}
	w := rig.Start(t, rig.Setup{Args: []string{target(lab.Host, rig.Shared.Database), target(billingHost, second)}, Flags: []string{"--shared-port"}})
	orders, billing := atPort(t, rig.Shared.Database), atPort(t, second)

	address := w.Proxy.Addresses()[0]
	_, port, _ := net.SplitHostPort(address)
	base := "port=" + port + " dbname=app connect_timeout=30 "
	for _, tt := range []struct{ how, conninfo, want string }{
		{"user", base + "host=127.0.0.1 user=app_user@orders", orders},
		{"user, by the endpoint's name", base + "host=127.0.0.1 user=app_user@" + billingHost, billing},
		{"database", "port=" + port + " host=127.0.0.1 user=app_user dbname=app@billing", billing},
		{"TLS server name", base + "hostaddr=127.0.0.1 host=billing.localhost user=app_user sslmode=require", billing},
		{"TLS server name of the endpoint", base + "hostaddr=127.0.0.1 host=" + lab.Host + " user=app_user sslmode=require", orders},
		{"the shared socket", base + "host=" + w.Home + " user=app_user@billing", billing},
		{"a socket of its own", base + "host=" + filepath.Join(w.Home, billingHost) + " user=app_user", billing},
	} {
		if out, errs, err := rig.Psql(t, tt.conninfo, "-c", whereAmI); err != nil || out != tt.want {
			t.Errorf("psql by %s: %q, %v, want %q\n%s", tt.how, out, err, tt.want, errs)
		}
	}

	_, errs, err := rig.Psql(t, base+"host=127.0.0.1 user=app_user@ordesr sslmode=disable", "-c", whereAmI)
	if err == nil || !strings.Contains(errs, `no target "ordesr"`) || !strings.Contains(errs, "DETAIL:  the targets are "+lab.Host+", "+billingHost) || !strings.Contains(errs, "HINT:") {
		t.Errorf("psql with an unknown target: %v\n%s", err, errs)
	}

	url := "jdbc:postgresql://" + address + "/"
	sni := "jdbc:postgresql://billing.localhost:" + port + "/"
	got := java(ctx, t, url+"app?user=app_user%40billing", url+"app%40orders?user=app_user", sni+"app?user=app_user&sslmode=require", url+"app?user=app_user")
	want := []string{billing, orders, billing, "08004 FATAL: this port serves several targets"}
	for i := range want {
		if i >= len(got) || !strings.HasPrefix(got[i], want[i]) {
			t.Fatalf("pgjdbc got %q, want %q", got, want)
		}
	}

	// Ctrl-C reaches the right one of the two.
	conn := w.Connect("user=app_user@billing")
	other := &rig.World{T: t, Database: second}
	done := make(chan error, 1)
	go func() {
		_, err := conn.Exec(t.Context(), "select pg_sleep(120)")
		done <- err
	}()
	other.AwaitSleep(conn.PgConn().PID())
	if err := conn.PgConn().CancelRequest(ctx); err != nil {
		t.Fatal(err)
	}
	rig.AwaitCanceled(t, done)
}

// atPort is what whereAmI says at db.
func atPort(t *testing.T, db *pgserver.Server) string {
	t.Helper()
	_, port, err := net.SplitHostPort(db.Address())
	if err != nil {
		t.Fatal(err)
	}
	return pgserver.AppUser + " " + port
}

// java runs Ask.java with pgjdbc, and returns its lines.
func java(ctx context.Context, t *testing.T, urls ...string) []string {
	t.Helper()
	hosts := filepath.Join(t.TempDir(), "hosts") // not every system resolves all of .localhost
	if err := os.WriteFile(hosts, []byte("127.0.0.1 billing.localhost\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, "java", append([]string{"-Djdk.net.hosts.file=" + hosts, "-cp", jdbcDriver, "testdata/Ask.java"}, urls...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "LC_ALL=C.UTF-8"}
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("java: %v (scripts/install-deps installs it)\n%s", err, errs.String())
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

func TestDefaultTargetOfASharedPort(t *testing.T) {
	w := rig.Start(t, rig.Setup{
		Args:  []string{lab.TargetArg(rig.Shared.Database.CAFile()), "invoices.c9akciq32abc.eu-central-1.rds.amazonaws.com?via=none"},
		Flags: []string{"--shared-port", "--default-target", lab.Host},
	})
	if got := w.Query("", rig.WhoAmI); got != rig.ItsMe {
		t.Errorf("got %q, want %q", got, rig.ItsMe)
	}
}

// TestMistypedTargetDoesNotLeadToTheDefault has a default target whose own user
// would let anybody in.
func TestMistypedTargetDoesNotLeadToTheDefault(t *testing.T) {
	w := rig.Start(t, rig.Setup{
		Args:  []string{lab.TargetArg(rig.Shared.Database.CAFile()) + "&user=" + pgserver.AppUser, "invoices.c9akciq32abc.eu-central-1.rds.amazonaws.com?via=none"},
		Flags: []string{"--shared-port", "--default-target", lab.Host},
	})
	if got := w.Query("user=whoever", rig.WhoAmI); got != rig.ItsMe {
		t.Errorf("got %q, want %q", got, rig.ItsMe)
	}
	for word, conninfo := range map[string]string{
		"inovices": "user=whoever@inovices",
		"INOVICES": "user=whoever@INOVICES",
		"ordesr":   "user=whoever dbname=app@ordesr",
	} {
		if got := w.Refused(conninfo); got.Code != "08004" || got.Message != `no target "`+word+`" on this port` || !strings.Contains(got.Detail, "invoices.c9") {
			t.Errorf("%s: %s %q, DETAIL %q; want 08004 and the targets", conninfo, got.Code, got.Message, got.Detail)
		}
	}
}
