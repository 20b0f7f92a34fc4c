package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// document is what the tests read of a status document; the test shares no type with
// pgkeyless.
type document struct {
	Version int
	Proxy   struct {
		State  string
		Reload *struct {
			OK          bool
			Error, Hint string
		}
		Page string
		Open int64 `json:"connections_open"`
	}
	Credentials []struct {
		Profile, ARN string
		Known        bool
	}
	Warnings []struct{ Text, Hint string }
	Targets  []target
	Clients  []client
	Events   []struct{ Text, Target, Level string }
}

type client struct {
	ID                           uint64
	Target, User, Database, Peer string
	State                        string
	Application                  string `json:"application_name"`
	Up                           int64  `json:"bytes_up"`
}

type target struct {
	Name, State, Endpoint string
	Failure               *struct{ Cause, Stage, SQLState, Message, Detail, Hint string }
	Open                  int `json:"clients_open"`
	Logins                struct {
		Total struct{ OK, Refused, Failed, Left int64 }
	}
	Sessions []struct {
		ID, State string
		Resumes   int64
	} `json:"ssm_sessions"`
	Last *struct {
		Stages []struct {
			Stage   string
			Seconds float64
		}
	} `json:"last_login"`
}

func (d document) target(t *testing.T, name string) target {
	t.Helper()
	i := slices.IndexFunc(d.Targets, func(one target) bool { return one.Name == name })
	if i < 0 {
		t.Fatalf("no target %q in %+v", name, d.Targets)
	}
	return d.Targets[i]
}

// world is a run of pgkeyless, and its user's other terminal.
type world struct {
	*rig.World
	t   *testing.T
	web string // base of the HTTP address
}

func start(t *testing.T, s rig.Setup) *world {
	t.Helper()
	s.Flags = append(s.Flags, "--health-check", "--prometheus", "--status-page", "--http-port", "0")
	w := &world{World: rig.Start(t, s), t: t}
	line := w.AwaitLine("Status page: ")
	_, url, _ := strings.Cut(line, "Status page: ")
	w.web = strings.TrimSuffix(strings.TrimSpace(url), "/")
	return w
}

// pgkeyless runs a command as the same user.
func (w *world) pgkeyless(args ...string) (stdout, stderr string, code int) {
	w.t.Helper()
	return rig.Run(w.t, []string{"HOME=" + w.Home}, args...)
}

// status asks for the document, and wants that exit code.
func (w *world) status(code int) document {
	w.t.Helper()
	stdout, stderr, got := w.pgkeyless("status", "--json")
	if got != code {
		w.t.Fatalf("status ends with %d, want %d: %s%s", got, code, stdout, stderr)
	}
	var all []document
	if err := json.Unmarshal([]byte(stdout), &all); err != nil || len(all) != 1 || all[0].Version != 1 {
		w.t.Fatalf("status says %s (%v), want one document", stdout, err)
	}
	return all[0]
}

// probe wants an answer of the HTTP address.
func (w *world) probe(path string, code int, text string) {
	w.t.Helper()
	res, err := http.Get(w.web + path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != code || !strings.Contains(string(body), text) {
		w.t.Errorf("%s is %d %q (%v), want %d with %q", path, res.StatusCode, body, err, code, text)
	}
}

// shows wants all of texts at a path of the HTTP address.
func (w *world) shows(path string, texts ...string) {
	w.t.Helper()
	res, err := http.Get(w.web + path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, text := range texts {
		if !strings.Contains(string(body), text) {
			w.t.Errorf("%s does not show %q", path, text)
		}
	}
}

// await looks until f is true.
func (w *world) await(what string, f func() bool) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), rig.Limit)
	defer cancel()
	for !f() {
		select {
		case <-ctx.Done():
			w.t.Fatalf("%s: not after %v\n%s", what, rig.Limit, w.Proxy.Output())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func config(targets ...string) string {
	return "targets:\n" + strings.Join(targets, "")
}

// orders is a target that works. It keeps no spare SSM session, which the day counts.
func orders() string {
	return fmt.Sprintf("  orders:\n    database: %s\n    via: %s\n    ca-file: %s\n    keep-alive: off\n", lab.Host, lab.Target, rig.Shared.Database.CAFile())
}

// broken leads to a tunnel of the user's own that is down.
func broken() string {
	return fmt.Sprintf("  broken:\n    database: %s\n    dial: %s\n    ca-file: %s\n", lab.Host, rig.ClosedPort, rig.Shared.Database.CAFile())
}

// A day in the life of a proxy with two targets, one of them broken: what status,
// probes and log say at each step.
func TestDay(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pgkeyless.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(config(orders(), broken()))
	w := start(t, rig.Setup{Args: []string{}, Flags: []string{"--config-file", file}})

	// Morning: nothing has happened, which is in order.
	w.probe("/startup", 200, "ok")
	w.probe("/readiness?verbose", 200, "[+] not draining: ok")
	w.probe("/liveness", 200, "ok")
	if _, stderr, code := w.pgkeyless("wait", "orders", "--max", "30s"); code != 0 {
		t.Errorf("wait ends with %d: %s", code, stderr)
	}
	d := w.status(0)
	if got := d.target(t, "orders"); d.Proxy.State != "serving" || got.State != "idle" || len(got.Sessions) != 0 {
		t.Errorf("at first: %+v", d)
	}

	// A login.
	conn := w.Connect("application_name=day")
	defer conn.Close(context.Background())
	var one int
	if err := conn.QueryRow(t.Context(), "select 1").Scan(&one); err != nil {
		t.Fatal(err)
	}
	d = w.status(0)
	got := d.target(t, "orders")
	if got.State != "up" || got.Open != 1 || got.Logins.Total.OK != 1 || len(got.Sessions) != 1 || got.Sessions[0].State != "ready" || got.Last == nil {
		t.Errorf("after a login: %+v", got)
	}
	var stages []string
	for _, s := range got.Last.Stages {
		stages = append(stages, s.Stage)
	}
	if want := "lookup tunnel tls credentials auth"; strings.Join(stages, " ") != want {
		t.Errorf("stages %q, want %q", stages, want)
	}
	// Where a sample of the traffic fell between login and query, bytes keep moving until the next.
	w.await("an idle client", func() bool {
		d = w.status(0)
		return len(d.Clients) != 1 || d.Clients[0].State == "idle"
	})
	if len(d.Clients) != 1 || d.Clients[0].User != pgserver.AppUser || d.Clients[0].Application != "day" || d.Clients[0].State != "idle" || d.Clients[0].Up == 0 {
		t.Errorf("clients %+v", d.Clients)
	}

	w.shows("/metrics", `pgkeyless_logins_total{result="ok",target="orders"} 1`, `pgkeyless_connections_open{state="active",target="orders"} 1`)
	w.shows("/", "orders", "broken", pgserver.AppUser)

	// A target that does not work says so, with the words that its client got.
	host, port, err := net.SplitHostPort(w.Proxy.Addresses()[1])
	if err != nil {
		t.Fatal(err)
	}
	_, stderr, err := rig.Psql(t, fmt.Sprintf("host=%s port=%s user=app_user dbname=app sslmode=disable", host, port), "-c", "select 1")
	if err == nil {
		t.Fatal("the broken target works")
	}
	d = w.status(2)
	got = d.target(t, "broken")
	if got.State != "failing" || got.Failure == nil || got.Failure.Cause != "own-tunnel-down" || got.Failure.Stage != "dial" || got.Logins.Total.Failed != 1 {
		t.Fatalf("the broken target: %+v", got)
	}
	for _, words := range []string{got.Failure.Message, got.Failure.Detail, got.Failure.Hint} {
		if words == "" || !strings.Contains(stderr, words) {
			t.Errorf("status says %q, psql %q", words, stderr)
		}
	}
	if d.target(t, "orders").State != "up" {
		t.Errorf("the other target: %+v", d.target(t, "orders"))
	}
	w.probe("/readiness", 200, "ok") // the others can be served
	w.shows("/metrics", `pgkeyless_login_failures_total{cause="own-tunnel-down",stage="dial",target="broken"} 1`)
	w.shows("/", html.EscapeString(got.Failure.Hint))
	if text, _, code := w.pgkeyless("status"); code != 2 || !strings.Contains(text, "broken: logins fail since") || !strings.Contains(text, got.Failure.Hint) {
		t.Errorf("status ends with %d and says\n%s", code, text)
	}
	if _, _, code := w.pgkeyless("status", "orders"); code != 0 {
		t.Errorf("status of the target that works ends with %d", code)
	}

	// A reload with a mistake changes nothing, and says which.
	write(config(orders(), broken()) + "    vai: none\n")
	if _, stderr, code := w.pgkeyless("reload"); code != 1 || !strings.Contains(stderr, `unknown key "vai"`) || !strings.Contains(stderr, "did you mean via?") {
		t.Errorf("reload ends with %d: %s", code, stderr)
	}
	d = w.status(2)
	if r := d.Proxy.Reload; r == nil || r.OK || !strings.Contains(r.Error, "vai") || len(d.Targets) != 2 || len(d.Warnings) == 0 {
		t.Errorf("after the mistake: reload %+v, warnings %+v", r, d.Warnings)
	}
	w.shows("/metrics", "pgkeyless_config_last_reload_success 0")
	w.shows("/", "vai")
	write(config(orders()))
	if _, stderr, code := w.pgkeyless("reload"); code != 0 {
		t.Errorf("reload ends with %d: %s", code, stderr)
	}
	d = w.status(0)
	if r := d.Proxy.Reload; r == nil || !r.OK || len(d.Targets) != 1 {
		t.Errorf("after the reload: %+v with %d targets", r, len(d.Targets))
	}
	if err := conn.QueryRow(t.Context(), "select 1").Scan(&one); err != nil {
		t.Errorf("a session from before the reload: %v", err)
	}

	// The websocket is cut, and comes back.
	if n := w.AWS.CloseWebsockets(1006, ""); n != 1 {
		t.Fatalf("%d websockets were cut, want 1", n)
	}
	if err := conn.QueryRow(t.Context(), "select 1").Scan(&one); err != nil {
		t.Errorf("over the cut: %v", err)
	}
	d = w.status(0)
	if got := d.target(t, "orders"); len(got.Sessions) != 1 || got.Sessions[0].Resumes != 1 {
		t.Errorf("after the cut: %+v", got.Sessions)
	}

	w.shows("/metrics", `pgkeyless_ssm_resumes_total{result="ok"} 1`, "pgkeyless_config_last_reload_success 1")

	// Evening: open sessions end, new ones are not let in.
	if _, stderr, code := w.pgkeyless("shutdown"); code != 0 || !strings.Contains(stderr, "lets open sessions end") {
		t.Errorf("shutdown ends with %d: %s", code, stderr)
	}
	w.await("draining", func() bool { return w.status(0).Proxy.State == "draining" })
	w.probe("/readiness", 503, "the proxy is ending")
	w.probe("/liveness", 200, "ok")
	w.probe("/startup", 200, "ok")
	if _, stderr, code := w.pgkeyless("wait", "orders", "--max", "8s"); code != 1 || !strings.Contains(stderr, "the proxy is ending") {
		t.Errorf("wait ends with %d: %s", code, stderr)
	}
	if err := conn.QueryRow(t.Context(), "select 1").Scan(&one); err != nil {
		t.Errorf("while it drains: %v", err)
	}
	conn.Close(t.Context())
	if code := w.AwaitExit(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	if _, stderr, code := w.pgkeyless("status"); code != 1 || !strings.Contains(stderr, "you have no running pgkeyless") {
		t.Errorf("status afterwards ends with %d: %s", code, stderr)
	}
	for _, event := range []string{"configuration not reloaded", "ssm session resumed"} {
		if !slices.ContainsFunc(d.Events, func(e struct{ Text, Target, Level string }) bool { return strings.Contains(e.Text, event) }) {
			t.Errorf("no event %q among %+v", event, d.Events)
		}
	}
}
