package metrics

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// What the load is made of.
const (
	copied  = 2 << 20 // bytes of a COPY
	workers = 3       // for each target, of pgx
	rounds  = 3       // logins of each
	psqls   = 2       // for each target
	wrong   = 4       // logins that fail, for each way to
)

// marker is in what clients say of themselves. The log may have it, metrics not.
const marker = "no_label_has_me"

// profile is one whose credentials end, as those of people do.
const profile = "lab"

// scene is one pgkeyless with three targets, a tap before each, and Prometheus.
type scene struct {
	*rig.World
	prometheus *prometheus
	taps       map[string]*tap
	config     string // path of the config file
	text       string // its content
	metrics    string // URL
}

func newScene(t *testing.T) *scene {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	keys, err := json.Marshal(map[string]any{
		"Version": 1, "AccessKeyId": rig.Shared.Keys.AccessKeyID, "SecretAccessKey": rig.Shared.Keys.SecretAccessKey,
		"SessionToken": rig.Shared.Keys.SessionToken, "Expiration": time.Now().Add(time.Hour).UTC().Format(time.RFC3339),
	})
	if err != nil {
		t.Fatal(err)
	}
	aws := write("config", "[profile "+profile+"]\ncredential_process = cat "+write("keys", string(keys))+"\n")
	target := func(name, way string) string {
		return fmt.Sprintf("  %s: {database: %s, ca-file: %s, profile: %s, %s}\n", name, lab.Host, rig.Shared.Database.CAFile(), profile, way)
	}
	s := &scene{taps: map[string]*tap{}}
	s.text = "defaults: {ready-logins: 0}\n" + // each client's login goes through all stages
		"targets:\n" + target("orders", "via: "+lab.Target) + target("billing", "dial: "+rig.Shared.Database.Address()) + target("ghost", "dial: "+rig.ClosedPort)
	s.config = write("pgkeyless.yaml", s.text)
	s.World = rig.Start(t, rig.Setup{
		// Ten times an agent's, and no more than a busy machine takes.
		Emulator: func(c *awsemu.Config) { c.Pace = 100 * time.Microsecond },
		Args:     []string{"--config-file", s.config},
		Flags:    []string{"--prometheus", "--http-port", "0", "--max-connections", "100"},
		Env: func(env []string) []string {
			env = rig.Without("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CONFIG_FILE")(env)
			return append(env, "AWS_CONFIG_FILE="+aws)
		},
	})
	for _, name := range []string{"orders", "billing", "ghost"} {
		_, rest, ok := strings.Cut(s.AwaitLine(" for "+name), "Listening on ")
		address, _, _ := strings.Cut(rest, " for ")
		if !ok {
			t.Fatalf("no listener for %s:\n%s", name, s.Proxy.Output())
		}
		s.taps[name] = newTap(t, address)
	}
	_, s.metrics, _ = strings.Cut(s.AwaitLine("Metrics: "), "Metrics: ")
	host := strings.TrimSuffix(strings.TrimPrefix(s.metrics, "http://"), "/metrics")
	s.prometheus = startPrometheus(t, host)
	return s
}

// conninfo leads through the tap of target.
func (s *scene) conninfo(target, extra string) string {
	host, port, _ := net.SplitHostPort(s.taps[target].address)
	return fmt.Sprintf("host=%s port=%s user=%s dbname=%s sslmode=disable connect_timeout=60 %s", host, port, pgserver.AppUser, pgserver.Database, extra)
}

func (s *scene) connect(target string) *pgx.Conn {
	s.T.Helper()
	ctx, cancel := context.WithTimeout(s.T.Context(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.conninfo(target, ""))
	if err != nil {
		s.T.Fatalf("%s: %v", target, err)
	}
	return conn
}

// load has clients of each kind do what they do, all at once, to their end.
func (s *scene) load() {
	var all sync.WaitGroup
	defer all.Wait()
	rows := bytes.Repeat([]byte(strings.Repeat("x", 1023)+"\n"), copied/1024)
	for _, target := range []string{"orders", "billing"} {
		for range workers {
			all.Go(func() {
				for range rounds {
					s.round(target, rows)
				}
			})
		}
		for range psqls {
			all.Go(func() {
				file := filepath.Join(s.T.TempDir(), "rows")
				if err := os.WriteFile(file, rows, 0o600); err != nil {
					s.T.Error(err)
					return
				}
				_, errs, err := rig.Psql(s.T, s.conninfo(target, "gssencmode=disable"), "-c", "create temp table up (line text)",
					"-c", `\copy up from '`+file+`'`, "-c", `\copy up to '`+file+`'`)
				if err != nil {
					s.T.Errorf("psql to %s: %v\n%s", target, err, errs)
				}
			})
		}
	}
	for i := 1; i < wrong; i++ { // the first came before
		all.Go(func() { s.mistaken(i) })
	}
}

// mistaken is a login that fails in each way that is counted.
func (s *scene) mistaken(i int) {
	hostile := fmt.Sprintf(`user='%s%d"}{' gssencmode=disable`, marker, i)
	if out, _, err := rig.Psql(s.T, s.conninfo("ghost", hostile), "-c", "select '"+rig.SQLMarker+"'"); err == nil {
		s.T.Errorf("psql got %q from a database that is not there", out)
	}
	if out, _, err := rig.Psql(s.T, s.conninfo("orders", fmt.Sprintf("dbname=%s%d gssencmode=disable", marker, i)), "-c", "select 1"); err == nil {
		s.T.Errorf("psql got %q from a database of a made-up name", out)
	}
}

// round is one session that copies up and down.
func (s *scene) round(target string, rows []byte) {
	ctx, cancel := context.WithTimeout(s.T.Context(), 2*time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.conninfo(target, ""))
	if err != nil {
		s.T.Errorf("%s: %v", target, err)
		return
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "create temp table up (line text)"); err != nil {
		s.T.Errorf("%s: %v", target, err)
		return
	}
	if _, err := conn.PgConn().CopyFrom(ctx, bytes.NewReader(rows), "copy up from stdin"); err != nil {
		s.T.Errorf("%s: COPY up: %v", target, err)
	}
	if _, err := conn.PgConn().CopyTo(ctx, io.Discard, "copy up to stdout"); err != nil {
		s.T.Errorf("%s: COPY down: %v", target, err)
	}
}

// knock connects to target's tap, sends b, and waits for the end.
func (s *scene) knock(target string, b []byte) {
	s.T.Helper()
	c, err := net.Dial("tcp", s.taps[target].address)
	if err != nil {
		s.T.Fatal(err)
	}
	defer c.Close()
	if len(b) == 0 {
		return
	}
	c.Write(b)
	c.SetDeadline(time.Now().Add(time.Minute))
	io.Copy(io.Discard, c)
}

// A real Prometheus has exactly the numbers that the clients have, while sessions
// run and after they have ended.
func TestPrometheusSeesWhatClientsDo(t *testing.T) {
	s := newScene(t)
	p := s.prometheus
	p.awaitAll("before the first client", []expect{
		{`up{job="pgkeyless"}`, exactly(1)},
		{`sum(pgkeyless_logins_total)`, exactly(0)},
		{`count(pgkeyless_logins_total{target="ghost"})`, exactly(4)},
		{`pgkeyless_login_seconds_count{target="orders",stage="auth"}`, exactly(0)},
	})
	// A rate sees what comes after a counter has been scraped once.
	s.mistaken(0)
	p.awaitAll("after the first mistakes", []expect{{`sum(pgkeyless_login_failures_total)`, exactly(2)}})
	scraped := s.scrapeAlong()
	s.load()
	scraped()

	// Sessions that go on: one idle, one in a query, one in the midst of a COPY.
	idle, asleep, copying := s.connect("orders"), s.connect("orders"), s.connect("billing")
	done := s.Sleeping(asleep)
	if _, err := copying.Exec(t.Context(), "create temp table up (line text)"); err != nil {
		t.Fatal(err)
	}
	more, rest := io.Pipe()
	copyEnds := make(chan error, 1)
	go func() {
		_, err := copying.PgConn().CopyFrom(context.Background(), more, "copy up from stdin")
		copyEnds <- err
	}()
	if _, err := rest.Write(bytes.Repeat([]byte("half a COPY\n"), copied/12)); err != nil {
		t.Fatal(err)
	}
	s.knock("billing", nil)                                                // a port scanner
	s.knock("orders", []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")) // a browser
	unknown, err := (&pgproto3.CancelRequest{ProcessID: asleep.PgConn().PID(), SecretKey: []byte("ABCD")}).Encode(nil)
	if err != nil {
		t.Fatal(err)
	}
	s.knock("orders", unknown)
	if cut := s.AWS.CutWebsockets(); cut == 0 {
		t.Error("there is no websocket to cut")
	}

	orders, billing, ghost := s.taps["orders"], s.taps["billing"], s.taps["ghost"]
	const ended = workers*rounds + psqls // sessions of each target
	counted := func(open int64, orderSessions, billingSessions int64) []expect {
		return []expect{
			{`sum(pgkeyless_bytes_total{target="orders",direction="up"})`, orders.up.Load},
			{`sum(pgkeyless_bytes_total{target="orders",direction="down"})`, orders.down.Load},
			{`sum(pgkeyless_bytes_total{target="billing",direction="up"})`, billing.up.Load},
			{`sum(pgkeyless_bytes_total{target="billing",direction="down"})`, billing.down.Load},
			{`sum(pgkeyless_bytes_total{target="ghost"})`, exactly(0)},
			{`pgkeyless_logins_total{target="orders",result="ok"}`, exactly(ended + 2)},
			{`pgkeyless_logins_total{target="billing",result="ok"}`, exactly(ended + 1)},
			{`sum(pgkeyless_logins_total{result="ok"})`, func() int64 { return orders.logins.Load() + billing.logins.Load() }},
			{`pgkeyless_logins_total{target="orders",result="refused"}`, exactly(wrong)},
			{`pgkeyless_logins_total{target="ghost",result="failed"}`, exactly(wrong)},
			{`sum(pgkeyless_login_failures_total{target="orders",stage="auth"})`, exactly(wrong)},
			{`sum(pgkeyless_login_failures_total{target="ghost",stage="dial"})`, exactly(wrong)},
			{`sum(pgkeyless_login_failures_total)`, exactly(2 * wrong)},
			{`pgkeyless_login_failures_total{target="ghost",stage="dial",cause="own-tunnel-down"}`, exactly(wrong)},
			{`pgkeyless_login_seconds_count{target="orders",stage="tunnel"}`, exactly(ended + 2)},
			{`pgkeyless_login_seconds_count{target="billing",stage="dial"}`, exactly(ended + 1)},
			{`pgkeyless_login_seconds_count{target="billing",stage="tunnel"}`, exactly(0)},
			{`sum(pgkeyless_connections_open{state="active"})`, exactly(open)},
			{`sum(pgkeyless_connections_open{state="starting"})`, exactly(0)},
			{`pgkeyless_connections_accepted_total{target="orders"}`, orders.connections.Load},
			{`pgkeyless_connections_accepted_total{target="billing"}`, billing.connections.Load},
			{`pgkeyless_connections_accepted_total{target="ghost"}`, ghost.connections.Load},
			{`pgkeyless_session_seconds_count{target="orders"}`, exactly(orderSessions)},
			{`pgkeyless_session_seconds_count{target="billing"}`, exactly(billingSessions)},
			{`pgkeyless_unstarted_total{reason="closed"}`, exactly(1)},
			{`pgkeyless_unstarted_total{reason="http"}`, exactly(1)},
			{`sum(pgkeyless_unstarted_total)`, exactly(2)},
			{`pgkeyless_cancels_total{known="false"}`, exactly(1)},
			{`pgkeyless_ssm_sessions_started_total{result="ok"}`, s.started},
			{`pgkeyless_ssm_resumes_total{result="ok"}`, s.calls("ResumeSession")},
			{`sum_over_time(up[10m]) > bool 4`, exactly(1)}, // scrapes under load
			{`sum(resets(pgkeyless_bytes_total[10m])) + sum(resets(pgkeyless_logins_total[10m]))`, exactly(0)},
		}
	}
	p.awaitAll("with running sessions", append(counted(3, ended, ended),
		expect{`pgkeyless_cancels_total{known="true"}`, exactly(0)},
		expect{`min(pgkeyless_ssm_rtt_seconds{target="orders",host="` + lab.Target + `"}) > bool 0`, exactly(1)},
		expect{`sum(pgkeyless_ssm_sessions{target="orders",state="ready"}) > bool 0`, exactly(1)},
	))
	if orders.up.Load() < ended*copied || billing.down.Load() < ended*copied {
		t.Errorf("the clients carried %d and %d bytes, want more than %d", orders.up.Load(), billing.down.Load(), ended*copied)
	}
	s.checkDeployed()

	if err := asleep.PgConn().CancelRequest(t.Context()); err != nil {
		t.Error(err)
	}
	rig.AwaitCanceled(t, done)
	rest.Close()
	if err := <-copyEnds; err != nil {
		t.Errorf("the COPY ended with %v", err)
	}
	for _, conn := range []*pgx.Conn{idle, asleep, copying} {
		conn.Close(t.Context())
	}
	p.awaitAll("after the last session", append(counted(0, ended+2, ended+1),
		expect{`pgkeyless_cancels_total{known="true"}`, exactly(1)}))
	s.reloads()
}

// scrapeAlong scrapes, beside Prometheus, without its time limit, until end is called: none
// may fail.
func (s *scene) scrapeAlong() (end func()) {
	stop := make(chan struct{})
	var scraping sync.WaitGroup
	scraping.Go(func() {
		again := time.NewTicker(time.Second)
		defer again.Stop()
		for {
			if _, err := get(s.metrics); err != nil {
				s.T.Errorf("a scrape under load: %v", err)
			}
			select {
			case <-again.C:
			case <-stop:
				return
			}
		}
	})
	return func() { close(stop); scraping.Wait() }
}

// started is how many SSM sessions pgkeyless has started, but for those that it started
// beside one that was slow, on a busy machine.
func (s *scene) started() int64 {
	return s.calls("StartSession")() - int64(strings.Count(s.Proxy.Output(), "starting a second one"))
}

// calls is how often the emulator has been asked for an operation.
func (s *scene) calls(operation string) func() int64 {
	return func() int64 { return int64(s.AWS.Calls()[operation]) }
}

// reloads reads a configuration with a mistake, then the old one again.
func (s *scene) reloads() {
	s.T.Helper()
	for _, step := range []struct {
		text string
		ok   int64
	}{{"targets: {orders: {databse: x}}\n", 0}, {s.text, 1}} {
		if err := os.WriteFile(s.config, []byte(step.text), 0o600); err != nil {
			s.T.Fatal(err)
		}
		before := time.Now().Unix()
		if err := s.Proxy.Signal(syscall.SIGHUP); err != nil {
			s.T.Fatal(err)
		}
		s.prometheus.awaitAll("after a reload", []expect{
			{"pgkeyless_config_last_reload_success", exactly(step.ok)},
			{fmt.Sprintf("pgkeyless_config_last_reload_timestamp_seconds >= bool %d", before), exactly(1)},
			{`count(ALERTS{alertname="PgkeylessReloadRefused"}) or vector(0)`, exactly(1 - step.ok)},
		})
	}
}

func promtool(t *testing.T, stdin io.Reader, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "promtool", args...)
	cmd.Stdin = stdin
	cmd.Dir = filepath.Dir(rulesFile)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v (scripts/install-deps installs it)\n%s", strings.Join(args, " "), err, out)
	}
}

func TestRules(t *testing.T) {
	promtool(t, nil, "check", "rules", filepath.Base(rulesFile))
	promtool(t, nil, "test", "rules", rulesTests)
}
