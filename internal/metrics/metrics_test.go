package metrics

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/credentials"
	"github.com/pgkeyless/pgkeyless/proxy"
	"github.com/pgkeyless/pgkeyless/tunnel"
)

func newMetrics(read func() Reading) *Metrics {
	return New(Config{Namespace: "pgkeyless", Release: "1.2.3", MaxConnections: 7, Log: slog.New(slog.DiscardHandler), Read: read})
}

// scrape returns the series that a GET of target gives, with their values.
func scrape(t *testing.T, h http.Handler) map[string]float64 {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("scrape: %d %s", w.Code, w.Body)
	}
	all := map[string]float64{}
	for line := range strings.Lines(w.Body.String()) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		at := strings.LastIndexByte(line, ' ')
		value, err := strconv.ParseFloat(strings.TrimSpace(line[at:]), 64)
		if err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		all[line[:at]] = value
	}
	return all
}

// In OpenMetrics, the family of a counter has its name without _total.
func TestNamesOfFamiliesDifferInOpenMetrics(t *testing.T) {
	named := map[string]string{}
	for _, f := range families {
		name := f.name
		if f.kind == counter {
			var ok bool
			if name, ok = strings.CutSuffix(f.name, "_total"); !ok {
				t.Errorf("counter %s does not end in _total", f.name)
			}
		}
		if other, twice := named[name]; twice {
			t.Errorf("%s and %s are both %s in OpenMetrics", other, f.name, name)
		}
		named[name] = f.name
	}
}

// busy is a Reading with something of everything.
func busy() Reading {
	t0 := time.Unix(1_000_000, 0)
	times := proxy.Histogram{Bounds: []time.Duration{time.Millisecond, time.Second}, Counts: []int64{1, 2, 3}, Sum: 90 * time.Second}
	return Reading{
		Server: proxy.Snapshot{
			CancelsKnown: 3, CancelsUnknown: 4,
			Unstarted: map[string]int64{proxy.UnstartedHTTP: 5},
			Routes: []proxy.RouteSnapshot{
				{Name: "", Accepted: 9, Starting: 2, Failed: 1, Failures: map[proxy.Failure]int64{{Cause: causes.NoSuchTarget.Name}: 1}},
				{Name: "billing", RootExpires: t0.Add(2 * time.Hour)},
				{
					Name: "orders", Accepted: 20, Starting: 1, Active: 2, Logins: 10, Refused: 4, Failed: 3, Left: 2, Retries: 6,
					Failures: map[proxy.Failure]int64{
						{Stage: proxy.StageTunnel, Cause: causes.DatabaseRefuses.Name}: 3,
						{Stage: proxy.StageAuth, Cause: "other"}:                       2,
						{Stage: proxy.StageAuth, Cause: "no such row"}:                 2,
					},
					Ready: 3, ReadyMade: 9, ReadyUsed: 4, ReadyDropped: 2,
					BytesUp: 100, BytesDown: 200, RootExpires: t0.Add(time.Hour),
					LoginTimes: map[proxy.Stage]proxy.Histogram{proxy.StageTunnel: times}, SessionTimes: times,
				},
			},
		},
		Sessions: map[string][]tunnel.SessionSnapshot{"orders": {
			{JumpHost: "i-1", State: tunnel.StateReady, RoundTrip: 20 * time.Millisecond},
			{JumpHost: "i-1", State: tunnel.StateReady, RoundTrip: 30 * time.Millisecond},
			{JumpHost: "i-2", State: tunnel.StateStarting},
		}},
		Tunnels: tunnel.Totals{Started: 11, FailedStarts: 12, Resumes: 13, FailedResumes: 14, Resent: 15},
		Credentials: []credentials.View{
			{Profile: "dev", Retrieved: t0, Expires: t0.Add(time.Hour), Renewable: true},
			{Profile: "keys", Retrieved: t0, Renewable: true, Failed: errors.New("no")},
			{Profile: "new"},
		},
		Reload: Reload{At: t0, OK: false},
	}
}

func TestSeriesOfABusyRun(t *testing.T) {
	got := scrape(t, newMetrics(busy).Handler())
	want := map[string]float64{
		`pgkeyless_build_info{goversion="` + runtime.Version() + `",version="1.2.3"}`: 1,
		`pgkeyless_max_connections`:                                                               7,
		`pgkeyless_connections_accepted_total{target=""}`:                                         7,
		`pgkeyless_connections_accepted_total{target="orders"}`:                                   20,
		`pgkeyless_connections_open{state="starting",target=""}`:                                  2,
		`pgkeyless_connections_open{state="starting",target="orders"}`:                            1,
		`pgkeyless_connections_open{state="active",target="orders"}`:                              2,
		`pgkeyless_logins_total{result="ok",target="orders"}`:                                     10,
		`pgkeyless_logins_total{result="refused",target="orders"}`:                                4,
		`pgkeyless_logins_total{result="failed",target="orders"}`:                                 3,
		`pgkeyless_logins_total{result="left",target="orders"}`:                                   2,
		`pgkeyless_logins_total{result="failed",target=""}`:                                       1,
		`pgkeyless_login_failures_total{cause="database-refuses",stage="tunnel",target="orders"}`: 3,
		`pgkeyless_login_failures_total{cause="other",stage="auth",target="orders"}`:              4,
		`pgkeyless_login_failures_total{cause="no-such-target",stage="startup",target=""}`:        1,
		`pgkeyless_login_retries_total{target="orders"}`:                                          6,
		`pgkeyless_login_seconds_bucket{stage="tunnel",target="orders",le="0.001"}`:               1,
		`pgkeyless_login_seconds_bucket{stage="tunnel",target="orders",le="1"}`:                   3,
		`pgkeyless_login_seconds_bucket{stage="tunnel",target="orders",le="+Inf"}`:                6,
		`pgkeyless_login_seconds_sum{stage="tunnel",target="orders"}`:                             90,
		`pgkeyless_session_seconds_count{target="orders"}`:                                        6,
		`pgkeyless_unstarted_total{reason="http"}`:                                                5,
		`pgkeyless_ready_logins{target="orders"}`:                                                 3,
		`pgkeyless_ready_logins_ended_total{result="used",target="orders"}`:                       4,
		`pgkeyless_ready_logins_ended_total{result="dropped",target="orders"}`:                    2,
		`pgkeyless_bytes_total{direction="up",target="orders"}`:                                   100,
		`pgkeyless_bytes_total{direction="down",target="orders"}`:                                 200,
		`pgkeyless_cancels_total{known="true"}`:                                                   3,
		`pgkeyless_cancels_total{known="false"}`:                                                  4,
		`pgkeyless_ssm_sessions{host="i-1",state="ready",target="orders"}`:                        2,
		`pgkeyless_ssm_sessions{host="i-1",state="resuming",target="orders"}`:                     0,
		`pgkeyless_ssm_sessions{host="i-2",state="starting",target="orders"}`:                     1,
		`pgkeyless_ssm_sessions_started_total{result="ok"}`:                                       11,
		`pgkeyless_ssm_sessions_started_total{result="failed"}`:                                   12,
		`pgkeyless_ssm_resumes_total{result="ok"}`:                                                13,
		`pgkeyless_ssm_resumes_total{result="failed"}`:                                            14,
		`pgkeyless_ssm_resent_bytes_total`:                                                        15,
		`pgkeyless_ssm_rtt_seconds{host="i-1",target="orders"}`:                                   0.03,
		`pgkeyless_credentials_expiry_timestamp_seconds{profile="dev"}`:                           1_003_600,
		`pgkeyless_credentials_renewable{profile="dev"}`:                                          1,
		`pgkeyless_credentials_last_retrieval_success{profile="dev"}`:                             1,
		`pgkeyless_credentials_last_retrieval_success{profile="keys"}`:                            0,
		`pgkeyless_root_expiry_timestamp_seconds`:                                                 1_003_600,
		`pgkeyless_config_last_reload_success`:                                                    0,
		`pgkeyless_config_last_reload_timestamp_seconds`:                                          1_000_000,
	}
	for series, value := range want {
		if now, ok := got[series]; !ok || now != value {
			t.Errorf("%s is %v (there: %v), want %v", series, now, ok, value)
		}
	}
	for _, absent := range []string{`pgkeyless_ssm_rtt_seconds{host="i-2",target="orders"}`, `pgkeyless_credentials_last_retrieval_success{profile="new"}`,
		`pgkeyless_credentials_expiry_timestamp_seconds{profile="keys"}`} {
		if _, ok := got[absent]; ok {
			t.Errorf("%s is there, though nobody knows", absent)
		}
	}
	if got["go_goroutines"] == 0 || runtime.GOOS == "linux" && got["process_start_time_seconds"] == 0 {
		t.Error("the metrics of Go or of the process are missing")
	}
}

func TestLintFindsNothing(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(newCollector(Config{Namespace: "pgkeyless", Read: busy}))
	all, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != len(families) {
		t.Errorf("%d metrics are told of a busy run, and %d described", len(all), len(families))
	}
	problems, err := promlint.NewWithMetricFamilies(all).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("promlint: %v, %v", problems, err)
	}
}

// A rate needs a counter that was there before it grew.
func TestCountersAreThereFromTheStart(t *testing.T) {
	before := idle(t)
	after := scrape(t, newMetrics(busy).Handler())
	for series := range after {
		name, _, _ := strings.Cut(series, "{")
		counts := strings.HasSuffix(name, "_total") || strings.HasSuffix(name, "_count")
		if !counts || !strings.HasPrefix(name, "pgkeyless_") || strings.Contains(series, "billing") ||
			strings.Contains(name, "failures") && !strings.Contains(series, `cause="other"`) {
			continue
		}
		if value, ok := before[series]; !ok || value != 0 {
			t.Errorf("%s is %v (there: %v) before the first client, want 0", series, value, ok)
		}
	}
	if n := before[`pgkeyless_login_seconds_bucket{stage="tls",target="orders",le="60"}`]; n != 0 {
		t.Errorf("%v logins before the first client", n)
	}
	if _, ok := before[`pgkeyless_login_seconds_bucket{stage="tls",target="orders",le="60"}`]; !ok {
		t.Error("the buckets of login_seconds are missing before the first login")
	}
}

func TestNamespaceIsSettable(t *testing.T) {
	for namespace, want := range map[string]string{"": "max_connections", "db_1": "db_1_max_connections"} {
		got := scrape(t, New(Config{Namespace: namespace, Log: slog.New(slog.DiscardHandler), Read: busy}).Handler())
		if _, ok := got[want]; !ok {
			t.Errorf("namespace %q: no %s", namespace, want)
		}
	}
}

// A name that Prometheus does not take costs nobody the rest.
func TestNamesOfAnyBytes(t *testing.T) {
	got := scrape(t, newMetrics(func() Reading {
		r := busy()
		r.Credentials[0].Profile = "d\xffv\"\n"
		return r
	}).Handler())
	if _, ok := got[`pgkeyless_credentials_renewable{profile="d?v\"\n"}`]; !ok || got[`pgkeyless_cancels_total{known="true"}`] != 3 {
		t.Errorf("got %v", got)
	}
}

// Two series that come out as one cost nobody the rest, and are told of.
func TestOneMistakeLeavesTheRest(t *testing.T) {
	var log bytes.Buffer
	got := scrape(t, New(Config{Namespace: "pgkeyless", Log: slog.New(slog.NewTextHandler(&log, nil)), Read: func() Reading {
		r := busy()
		r.Credentials = append(r.Credentials, r.Credentials[0])
		return r
	}}).Handler())
	if got[`pgkeyless_cancels_total{known="true"}`] != 3 || got[`pgkeyless_credentials_renewable{profile="dev"}`] != 1 {
		t.Errorf("got %v", got)
	}
	if !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), "credentials_renewable") {
		t.Errorf("logged %q", log.String())
	}
}

func TestTooManyScrapesAtOnce(t *testing.T) {
	inside, done := make(chan struct{}), make(chan struct{})
	h := newMetrics(func() Reading { inside <- struct{}{}; <-done; return busy() }).Handler()
	codes := make(chan int)
	ask := func() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		codes <- w.Code
	}
	for range scrapesAtOnce {
		go ask()
		<-inside
	}
	go ask()
	if got := <-codes; got != http.StatusServiceUnavailable {
		t.Errorf("one scrape too many is %d, want 503", got)
	}
	close(done)
	for range scrapesAtOnce {
		if got := <-codes; got != http.StatusOK {
			t.Errorf("a scrape beside it is %d, want 200", got)
		}
	}
}

// nowhere is a Dialer whose every dial fails, by a cause that it makes up.
type nowhere struct{}

func (nowhere) DialContext(context.Context, string, string) (net.Conn, error) {
	return nil, causes.DatabaseRefuses.New(causes.Facts{"jump host": "i-1", "endpoint": "orders:5432"}, errors.New("refused"))
}

func (nowhere) Token(context.Context, string) (proxy.Password, error) {
	return proxy.Password{}, errors.New("no token")
}

// newServer is a proxy for a target that cannot be reached, and the address where it
// will be served.
func newServer(t *testing.T) (s *proxy.Server, address string) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	s, err = proxy.New(proxy.Config{Log: slog.New(slog.DiscardHandler), Routes: []proxy.Route{{
		Name: "orders", Listen: []net.Listener{l}, Address: "orders:5432", Dialer: nowhere{}, Tokens: nowhere{}, Tunnel: true,
		TLS: func() *tls.Config { return &tls.Config{ServerName: "orders"} },
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return s, l.Addr().String()
}

// idle are the series before the first client.
func idle(t *testing.T) map[string]float64 {
	t.Helper()
	server, _ := newServer(t)
	return scrape(t, newMetrics(func() Reading { return Reading{Server: server.Snapshot()} }).Handler())
}

// startup is a StartupMessage.
func startup(user, database string) []byte {
	body := binary.BigEndian.AppendUint32(nil, 3<<16)
	body = fmt.Appendf(body, "user\x00%s\x00database\x00%s\x00application_name\x00%s\x00\x00", user, database, user)
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body)+4)), body...)
}

// While clients come and go, no counter falls, and nothing that a client says makes
// a series of its own.
func TestScrapesDuringLoad(t *testing.T) {
	server, address := newServer(t)
	ctx, end := context.WithCancel(context.Background())
	served := make(chan struct{})
	go func() { defer close(served); server.Serve(ctx) }()
	defer func() { end(); <-served }()

	h := newMetrics(func() Reading { return Reading{Server: server.Snapshot()} }).Handler()
	const clients, each = 8, 30
	var load sync.WaitGroup
	for i := range clients {
		load.Go(func() {
			for j := range each {
				c, err := net.Dial("tcp", address)
				if err != nil {
					t.Error(err)
					return
				}
				hostile := fmt.Sprintf("u%d-%d\"}\n{\xff select 1", i, j)
				c.Write(startup(hostile, hostile))
				io.Copy(io.Discard, c)
				c.Close()
			}
		})
	}
	over := make(chan struct{})
	go func() { load.Wait(); close(over) }()
	var scrapers sync.WaitGroup
	for range 3 {
		scrapers.Go(func() {
			last := map[string]float64{}
			for running := true; running; {
				select {
				case <-over:
					running = false
				default:
				}
				now := scrape(t, h)
				for series, before := range last {
					name, _, _ := strings.Cut(series, "{")
					if strings.HasPrefix(name, "pgkeyless_") && !strings.HasSuffix(name, "_open") && now[series] < before {
						t.Errorf("%s fell from %v to %v", series, before, now[series])
					}
				}
				last = now
			}
		})
	}
	scrapers.Wait()
	got := scrape(t, h)
	failures := `pgkeyless_login_failures_total{cause="` + causes.DatabaseRefuses.Name + `",stage="tunnel",target="orders"}`
	if got[failures] != clients*each || got[`pgkeyless_logins_total{result="failed",target="orders"}`] != clients*each {
		t.Errorf("%v failures of %d: %v", got[failures], clients*each, got)
	}
	own := func(all map[string]float64) (n int) {
		for series := range all {
			if strings.HasPrefix(series, "pgkeyless_") {
				n++
			}
			if strings.Contains(series, "u0-") || strings.Contains(series, "select") {
				t.Errorf("a client's word is in %s", series)
			}
		}
		return n
	}
	if before := own(idle(t)); own(got) != before+1 {
		t.Errorf("%d series, %d before the first client; want one more, for the cause", own(got), before)
	}
}

// docs/metrics.md has the table that the code has.
func TestDocumentedTable(t *testing.T) {
	const page = "../../docs/metrics.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	_, after, begun := bytes.Cut(text, []byte(markdownBegin))
	table, _, ended := bytes.Cut(after, []byte(markdownEnd))
	if !begun || !ended {
		t.Fatalf("%s has not both of %q and %q", page, markdownBegin, markdownEnd)
	}
	if got, want := strings.TrimSpace(string(table)), strings.TrimSpace(markdown()); got != want {
		t.Errorf("the table in %s differs from the code; it should be:\n%s", page, want)
	}
	names := make([]string, 0, len(families))
	for _, f := range families {
		names = append(names, f.name)
	}
	slices.Sort(names)
	if len(slices.Compact(names)) != len(families) {
		t.Errorf("a metric is there twice: %q", names)
	}
}
