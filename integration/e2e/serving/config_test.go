package serving

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// configFile writes a config file beside nothing else and returns its path.
func configFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pgkeyless.yaml")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// section is a target of a config file that leads to the shared database, with
// further options as lines of YAML.
func section(name string, options ...string) string {
	text := fmt.Sprintf("  %s:\n    database: %s\n    ca-file: %s\n", name, lab.Host, rig.Shared.Database.CAFile())
	for _, o := range options {
		text += "    " + o + "\n"
	}
	return text
}

func TestConfigPrintThroughTheBinary(t *testing.T) {
	path := configFile(t, "defaults:\n  via: none\n  user: default\n  dbname: default\n  region: eu-west-1\ntargets:\n"+
		"  orders:\n    database: "+lab.Host+"\n    user: file\n    dbname: file\n    sessions: 2\n  other: {}\n")
	dir := filepath.Join(filepath.Dir(path), "beneath", "it")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, code := rig.RunIn(t, dir, []string{"PGKEYLESS_USER=variable", "PGKEYLESS_DBNAME=variable"},
		"config", "print", "--json", "orders?user=query", "--dbname", "flag")
	if code != 0 || stderr != "" {
		t.Fatalf("exit code %d, stderr %q", code, stderr)
	}
	var got struct {
		File    string `json:"config_file"`
		Targets []struct {
			Database string
			Options  []struct{ Name, Value, Source, Place string }
		}
	}
	if err := json.Unmarshal([]byte(stdout), &got); err != nil || len(got.Targets) != 1 || got.Targets[0].Database != lab.Host || got.File != path {
		t.Fatalf("%v:\n%s", err, stdout)
	}
	want := map[string]string{
		"user":     "query from target ",
		"dbname":   "flag from flag --dbname",
		"sessions": "2 from file " + path + ":11",
		"region":   "eu-west-1 from file " + path + ":5",
		"profile":  "as the AWS CLI chooses from default ",
	}
	for _, o := range got.Targets[0].Options {
		if w, ok := want[o.Name]; ok && o.Value+" from "+o.Source+" "+o.Place != w {
			t.Errorf("%s is %s from %s %s, want %s", o.Name, o.Value, o.Source, o.Place, w)
		}
	}
}

func TestMistakesInConfigFiles(t *testing.T) {
	for _, tt := range []struct{ name, text, err, hint string }{
		{"near miss", "targets:\n  orders:\n    databse: x\n", ":3: unknown key \"databse\"", "did you mean database?"},
		{"wrong type", "defaults:\n  port: [1]\n", ":2: port takes one value, not a list", "port to listen on"},
		{"port twice", "targets:\n  a: {port: 6000}\n  b: {port: 6000}\n", `:3: targets "a" and "b" both want port 6000`, "another port"},
		{"open to others", "defaults:\n  address: 0.0.0.0\n", ":2: address: a config file that is found in a project directory may not set this", "--config-file"},
		{"roots of somebody else", "defaults:\n  ca-file: ca.pem\n", ":2: ca-file: a config file that is found", "--config-file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := configFile(t, tt.text)
			stdout, stderr, code := rig.RunIn(t, filepath.Dir(path), nil, "serve")
			lines := strings.Split(strings.TrimSpace(stderr), "\n")
			if code != 1 || stdout != "" || len(lines) != 2 || !strings.HasPrefix(lines[0], "pgkeyless: error: "+path+tt.err) ||
				!strings.HasPrefix(lines[1], "pgkeyless: hint: ") || !strings.Contains(lines[1], tt.hint) {
				t.Errorf("exit code %d, stderr\n%swant error %s%s and hint %s", code, stderr, path, tt.err, tt.hint)
			}
		})
	}
}

func TestTargetsOfTheConfigFileAreServed(t *testing.T) {
	path := configFile(t, "defaults: {via: "+lab.Target+"}\ntargets:\n"+section("orders")+section("reports", "read-only: true"))
	w := rig.Start(t, rig.Setup{Args: []string{"--config-file", path}})
	for i, want := range []string{"off", "on"} {
		host, port, _ := net.SplitHostPort(w.Proxy.Addresses()[i])
		out, errs, err := rig.Psql(t, fmt.Sprintf("host=%s port=%s user=%s dbname=%s", host, port, pgserver.AppUser, pgserver.Database), "-c", "show default_transaction_read_only")
		if err != nil || out != want {
			t.Errorf("target %d: read-only is %q, %v, want %s\n%s", i, out, err, want, errs)
		}
	}
}

// TestSIGHUPKeepsSessions exchanges the config file beneath two sessions, one of
// them to a target that goes, while a query runs.
func TestSIGHUPKeepsSessions(t *testing.T) {
	head := "defaults: {via: " + lab.Target + "}\ntargets:\n"
	path := configFile(t, head+section("stays")+section("goes"))
	w := rig.Start(t, rig.Setup{Args: []string{"--config-file", path}})
	stays, goes := w.Proxy.Addresses()[0], w.Proxy.Addresses()[1]
	old, leaving := connectAt(w, stays), connectAt(w, goes)
	pids := [2]uint32{old.PgConn().PID(), leaving.PgConn().PID()}
	running := w.Sleeping(leaving)

	if err := os.WriteFile(path, []byte(head+section("stays", "read-only: true")+section("comes", "statement-timeout: 7s")), 0o644); err != nil {
		t.Fatal(err)
	}
	reload(w, "configuration reloaded")
	rig.AwaitClosed(t, goes)

	line := w.AwaitLine(" for comes (statement_timeout=7000ms")
	comes, _, _ := strings.Cut(strings.TrimPrefix(line, "Listening on "), " for ")
	for _, tt := range []struct {
		name string
		conn *pgx.Conn
		want string
	}{
		{"the session from before", old, "off|0"},
		{"a new one of the same target", connectAt(w, stays), "on|0"},
		{"one of the new target", connectAt(w, comes), "off|7s"},
	} {
		var readOnly, timeout string
		if err := tt.conn.QueryRow(t.Context(), rig.Guarded).Scan(&readOnly, &timeout); err != nil || readOnly+"|"+timeout != tt.want {
			t.Errorf("%s: %s|%s, %v, want %s", tt.name, readOnly, timeout, err, tt.want)
		}
	}
	select {
	case err := <-running:
		t.Fatalf("the query of the target that went: %v", err)
	default:
	}
	admin, err := w.Database.AdminConn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(context.Background())
	if _, err := admin.Exec(t.Context(), "select pg_cancel_backend($1)", int32(pids[1])); err != nil {
		t.Fatal(err)
	}
	rig.AwaitCanceled(t, running)
	var pid uint32
	if err := leaving.QueryRow(t.Context(), "select pg_backend_pid()").Scan(&pid); err != nil || pid != pids[1] || old.PgConn().PID() != pids[0] {
		t.Errorf("backend %d, %v, want %d still", pid, err, pids[1])
	}

	// A mistake is told, and changes nothing.
	if err := os.WriteFile(path, []byte("targets:\n  stays: {prot: 1}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if told := reload(w, "configuration not reloaded, keeping the old one"); !strings.Contains(told, `:2: unknown key \"prot\"`) || !strings.Contains(told, "did you mean port?") {
		t.Errorf("told %s", told)
	}
	if _, err := connectAt(w, comes).Exec(t.Context(), "select 1"); err != nil {
		t.Errorf("after a reload that was refused: %v", err)
	}
}

// reload sends SIGHUP and waits for a line with words.
func reload(w *rig.World, words string) string {
	w.T.Helper()
	if err := w.Proxy.Signal(syscall.SIGHUP); err != nil {
		w.T.Fatal(err)
	}
	return w.AwaitLine(words)
}

// connectAt opens a pgx connection at an address; the test's end closes it.
func connectAt(w *rig.World, address string) *pgx.Conn {
	w.T.Helper()
	ctx, cancel := context.WithTimeout(w.T.Context(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, fmt.Sprintf("postgres://%s@%s/%s?sslmode=disable", pgserver.AppUser, address, pgserver.Database))
	if err != nil {
		w.T.Fatalf("connecting to %s: %v\n%s", address, err, w.Proxy.Output())
	}
	w.T.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// A name that neither AWS nor the config file knows is most likely a mistyped one of
// the file.
func TestMistypedNameIsOfTheFile(t *testing.T) {
	c := rig.StartCloud(t)
	path := filepath.Join(t.TempDir(), "pgkeyless.yaml")
	text := "defaults: {via: " + lab.Target + ", region: eu-central-1}\ntargets:\n  reports: {database: orders}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, stderr, code := c.Run("serve", "reprots", "--config-file", path)
	if code != 1 || !strings.Contains(stderr, `error: there is no database "reprots" in eu-central-1`) || !strings.Contains(stderr, "hint: did you mean reports, as in the config file? Otherwise ") {
		t.Errorf("code %d, %q", code, stderr)
	}
	stdout, _, code := c.Run("doctor", "reprots", "--config-file", path, "--json")
	if code != 12 || !strings.Contains(stdout, `"fix":"did you mean reports, as in the config file?`) || !strings.Contains(stdout, `"sqlstate":"08001"`) {
		t.Errorf("doctor: code %d, %s", code, stdout)
	}
}
