package admin

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/credentials"
	"github.com/pgkeyless/pgkeyless/internal/secret"
	"github.com/pgkeyless/pgkeyless/internal/status"
	"github.com/pgkeyless/pgkeyless/internal/targets"
	"github.com/pgkeyless/pgkeyless/internal/testenv"
	"github.com/pgkeyless/pgkeyless/proxy"
	"github.com/pgkeyless/pgkeyless/tunnel"
)

// fakeServer is a running proxy.
type fakeServer struct {
	mu       sync.Mutex
	snapshot proxy.Snapshot
	sessions []proxy.SessionSnapshot
	ended    []uint64
	alive    func(context.Context) error
	looks    int
}

func (f *fakeServer) Snapshot() proxy.Snapshot          { return f.snapshot }
func (f *fakeServer) Sessions() []proxy.SessionSnapshot { return f.sessions }
func (f *fakeServer) Disconnect(id uint64) bool {
	f.ended = append(f.ended, id)
	return id == 7
}
func (f *fakeServer) Alive(ctx context.Context) error {
	f.mu.Lock()
	f.looks++
	f.mu.Unlock()
	if f.alive == nil {
		return nil
	}
	return f.alive(ctx)
}

// fakeAWS is wiring and profiles that nothing is known of.
type fakeAWS struct {
	places map[string]targets.Place
	views  []credentials.View
}

func (f fakeAWS) Places() map[string]targets.Place { return f.places }
func (f fakeAWS) Totals() tunnel.Totals            { return tunnel.Totals{} }
func (f fakeAWS) Views() []credentials.View        { return f.views }
func (f fakeAWS) Config(context.Context, string, string) (aws.Config, error) {
	return aws.Config{}, errors.New("no AWS here")
}

func newAdmin(change func(*Config)) *Admin {
	cfg := Config{Log: slog.New(slog.DiscardHandler), Events: NewEvents(), Profiles: fakeAWS{}, Wiring: fakeAWS{},
		Reload: func(context.Context) error { return nil }, Quit: func() {}, Admit: func(net.Conn) error { return nil }}
	if change != nil {
		change(&cfg)
	}
	return New(cfg)
}

// ask puts a request to a handler.
func ask(h http.Handler, method, target string, change func(*http.Request)) (int, string) {
	r := httptest.NewRequest(method, target, nil)
	r.RemoteAddr, r.Host = "127.0.0.1:5", "localhost:9090"
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestProbesThroughALife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &fakeServer{}
		a := newAdmin(func(c *Config) { c.Run.HealthCheck = true })
		want := func(when string, startup, readiness, liveness int) {
			t.Helper()
			for path, code := range map[string]int{"/startup": startup, "/readiness": readiness, "/liveness": liveness} {
				if got, body := ask(a.public(), "GET", path, nil); got != code {
					t.Errorf("%s: %s is %d (%s), want %d", when, path, got, body, code)
				}
			}
		}
		want("starting", 503, 503, 200)
		a.Serving(server, nil, nil)
		want("serving", 200, 200, 200)
		a.pulse = newPulse()
		server.alive = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		want("stuck", 200, 200, 503)
		a.pulse = newPulse()
		server.alive = func(context.Context) error { return proxy.ErrNotServing }
		want("about to drain", 200, 200, 200)
		a.Draining()
		want("draining", 200, 503, 200)
		a.Serving(server, nil, nil) // a reload that was under way
		want("still draining", 200, 503, 200)
		_, body := ask(a.public(), "GET", "/readiness?verbose", nil)
		if !strings.Contains(body, "[+] listeners: ok\n[-] not draining: the proxy is ending") {
			t.Errorf("verbose says %q", body)
		}
	})
}

func TestReadinessWhenFull(t *testing.T) {
	server := &fakeServer{snapshot: proxy.Snapshot{Open: 3}}
	for _, test := range []struct {
		unready bool
		most    int
		want    int
	}{{false, 3, 200}, {true, 4, 200}, {true, 3, 503}, {true, 0, 200}} {
		a := newAdmin(func(c *Config) {
			c.Run = config.Run{HealthCheck: true, UnreadyWhenFull: test.unready, MaxConnections: test.most}
		})
		a.Serving(server, nil, nil)
		if got, body := ask(a.public(), "GET", "/readiness", nil); got != test.want {
			t.Errorf("3 of %d open, unready-when-full %v: %d (%s), want %d", test.most, test.unready, got, body, test.want)
		}
	}
}

// Probes that come at once share a look, and one that hangs ends.
func TestLivenessLooksOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &fakeServer{alive: func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) }}
		a := newAdmin(nil)
		a.Serving(server, nil, nil)
		began := time.Now()
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if err := a.Alive(t.Context()); err == nil || !strings.Contains(err.Error(), "no move within 5s") {
					t.Errorf("got %v", err)
				}
			})
		}
		all.Wait()
		if took := time.Since(began); took != alivePatience || server.looks != 1 {
			t.Errorf("%d looks in %v, want 1 in %v", server.looks, took, alivePatience)
		}
		time.Sleep(aliveAgain)
		server.alive = nil
		if err := a.Alive(t.Context()); err != nil {
			t.Errorf("when it moves again: %v", err)
		}
	})
}

func TestOperatorsPort(t *testing.T) {
	quits := 0
	quit := func(c *Config) { c.Quit = func() { quits++ } }
	both := newAdmin(func(c *Config) { quit(c); c.Run.QuitQuitQuit, c.Run.Debug = true, true })
	for _, test := range []struct {
		name   string
		method string
		path   string
		change func(*http.Request)
		want   int
	}{
		{"GET does not end it", "GET", "/quitquitquit", nil, 405},
		{"another machine", "POST", "/quitquitquit", func(r *http.Request) { r.RemoteAddr = "192.0.2.1:5" }, 403},
		{"somebody's DNS", "POST", "/quitquitquit", func(r *http.Request) { r.Host = "evil.example:9091" }, 403},
		{"a page's form", "POST", "/quitquitquit", func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }, 403},
		{"a sandboxed page", "POST", "/quitquitquit", func(r *http.Request) { r.Header.Set("Origin", "null") }, 403},
		{"a page of another port", "POST", "/quitquitquit", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") }, 403},
		{"unknown path", "GET", "/nothing", nil, 404},
		{"a profile", "GET", "/debug/pprof/cmdline", nil, 200},
		{"status", "GET", "/status.json", nil, 200},
	} {
		if got, body := ask(both.operators(), test.method, test.path, test.change); got != test.want {
			t.Errorf("%s: %d (%s), want %d", test.name, got, body, test.want)
		}
	}
	if quits != 0 {
		t.Errorf("ended %d times by what was refused", quits)
	}
	if got, _ := ask(both.operators(), "POST", "/quitquitquit", nil); got != 202 || quits != 1 {
		t.Errorf("POST is %d and ended it %d times", got, quits)
	}
	for name, change := range map[string]func(*config.Run){
		"/debug/pprof/": func(r *config.Run) { r.QuitQuitQuit = true },
		"/quitquitquit": func(r *config.Run) { r.Debug = true },
		"/disconnect":   func(r *config.Run) { r.Debug = true },
		"/shutdown":     func(r *config.Run) { r.Debug = true },
	} {
		a := newAdmin(func(c *Config) { quit(c); change(&c.Run) })
		if got, _ := ask(a.operators(), "POST", name, nil); got != 404 && got != 405 {
			t.Errorf("%s is %d without its option, want 404", name, got)
		}
	}
}

// Metrics are on the HTTP address when asked for, and always on the private socket.
func TestMetricsWhereTheyAreAskedFor(t *testing.T) {
	off := newAdmin(func(c *Config) { c.Run.HealthCheck, c.Run.Debug, c.Run.QuitQuitQuit = true, true, true })
	on := newAdmin(func(c *Config) { c.Run.Prometheus = true })
	for _, test := range []struct {
		name   string
		h      http.Handler
		method string
		want   int
	}{
		{"HTTP address without --prometheus", off.public(), "GET", 404},
		{"admin port", off.operators(), "GET", 404},
		{"private socket", off.owners(secret.New("")), "GET", 200},
		{"HTTP address", on.public(), "GET", 200},
		{"HTTP address by POST", on.public(), "POST", 405},
	} {
		if got, body := ask(test.h, test.method, "/metrics", nil); got != test.want {
			t.Errorf("%s: %d (%s), want %d", test.name, got, body, test.want)
		}
	}
	if got, _ := ask(on.public(), "GET", "/readiness", nil); got != 404 {
		t.Errorf("/readiness is %d without --health-check, want 404", got)
	}
}

func TestMetricsThroughALife(t *testing.T) {
	started := time.Unix(5000, 0)
	a := newAdmin(func(c *Config) {
		c.Run.Prometheus, c.Run.PrometheusNamespace, c.Run.MaxConnections, c.Started, c.Release = true, "db", 9, started, "1.2.3"
	})
	want := func(when string, lines ...string) {
		t.Helper()
		_, body := ask(a.public(), "GET", "/metrics", nil)
		for _, line := range lines {
			if !strings.Contains(body, "\n"+line+"\n") {
				t.Errorf("%s: no line %q in\n%s", when, line, body)
			}
		}
	}
	want("starting", "db_max_connections 9", "db_config_last_reload_success 1", "db_config_last_reload_timestamp_seconds 5000", `db_cancels_total{known="true"} 0`)
	a.Serving(&fakeServer{snapshot: proxy.Snapshot{CancelsKnown: 2, Routes: []proxy.RouteSnapshot{{Name: "orders", BytesUp: 3}}}}, nil, nil)
	want("serving", `db_cancels_total{known="true"} 2`, `db_bytes_total{direction="up",target="orders"} 3`)
	a.Reloaded(errors.New("no"), time.Unix(6000, 0))
	want("refused", "db_config_last_reload_success 0", "db_config_last_reload_timestamp_seconds 6000")
	a.Draining()
	a.Reloaded(nil, time.Unix(7000, 0))
	want("draining", "db_config_last_reload_success 1", "db_config_last_reload_timestamp_seconds 7000", `db_bytes_total{direction="up",target="orders"} 3`)
}

func TestActionsOfTheOwner(t *testing.T) {
	server := &fakeServer{}
	refused := causes.Misuse("port 5432 is taken", "choose another")
	var reloadErr error
	quits := 0
	a := newAdmin(func(c *Config) {
		c.Reload = func(context.Context) error { return reloadErr }
		c.Quit = func() { quits++ }
	})
	a.Serving(server, nil, nil)
	h := a.owners(secret.New(""))
	for _, test := range []struct {
		path string
		want int
	}{{"/disconnect?id=7", 204}, {"/disconnect?id=8", 404}, {"/disconnect?id=x", 400}, {"/disconnect", 400}, {"/reload", 204}, {"/shutdown", 202}} {
		if got, body := ask(h, "POST", test.path, nil); got != test.want {
			t.Errorf("%s: %d (%s), want %d", test.path, got, body, test.want)
		}
	}
	if fmt.Sprint(server.ended) != "[7 8]" || quits != 1 {
		t.Errorf("ended %v, quit %d times", server.ended, quits)
	}
	reloadErr = refused
	code, body := ask(h, "POST", "/reload", nil)
	var said problem
	if err := json.Unmarshal([]byte(body), &said); code != 409 || err != nil || said.Error != refused.Error() || said.Hint != refused.Hint() {
		t.Errorf("a reload that fails: %d %s", code, body)
	}
}

// Where there is no private socket, a secret takes its place.
func TestOwnersSecret(t *testing.T) {
	h := newAdmin(nil).owners(secret.New("s3cret"))
	for header, want := range map[string]int{"": 401, "Bearer s3cre": 401, "Bearer s3cret": 200, "s3cret": 401} {
		got, _ := ask(h, "GET", "/status.json", func(r *http.Request) { r.Header.Set("Authorization", header) })
		if got != want {
			t.Errorf("Authorization %q is %d, want %d", header, got, want)
		}
	}
}

// started starts a on real listeners; the client reaches its HTTP address.
func started(t *testing.T, a *Admin) (base string) {
	t.Helper()
	testenv.Isolate(t)
	if _, err := a.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); a.Run(ctx) }()
	t.Cleanup(func() { end(); <-done })
	return a.HTTPAddress().String()
}

// Whoever opens many connections keeps nobody out, and none stays for ever.
func TestIdleConnectionsKeepNobodyOut(t *testing.T) {
	address := started(t, newAdmin(func(c *Config) {
		c.Run.HealthCheck, c.Run.HTTPAddress = true, "127.0.0.1"
	}))
	var open []net.Conn
	for range 10 * maxConns {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		open = append(open, c)
	}
	res, err := http.Get("http://" + address + "/liveness")
	if err != nil || res.StatusCode != 200 {
		t.Fatalf("a probe beside them: %v, %+v", err, res)
	}
	res.Body.Close()
	open[0].SetReadDeadline(time.Now().Add(time.Minute))
	if _, err := open[0].Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !strings.Contains(fmt.Sprint(err), "reset") {
		t.Errorf("the first of them is still open: %v", err)
	}
}

// Nor do those that begin requests and do not end them.
func TestBusyConnectionsKeepNobodyOut(t *testing.T) {
	address := started(t, newAdmin(func(c *Config) {
		c.Run.HealthCheck, c.Run.HTTPAddress = true, "127.0.0.1"
	}))
	for range 2 * maxConns {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, "POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4000\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
	}
	res, err := http.Get("http://" + address + "/liveness")
	if err != nil || res.StatusCode != 200 {
		t.Fatalf("a probe beside them: %v, %+v", err, res)
	}
	res.Body.Close()
}

func TestBadRequestsAreBounded(t *testing.T) {
	address := started(t, newAdmin(func(c *Config) {
		c.Run.HealthCheck, c.Run.HTTPAddress = true, "127.0.0.1"
	}))
	for name, request := range map[string]string{
		"huge header": "GET /startup HTTP/1.1\r\nHost: localhost\r\nX: " + strings.Repeat("x", 1<<20) + "\r\n\r\n",
		"garbage":     "\x16\x03\x01\x00\x05hello\r\n\r\n",
		"no such":     "BREW /startup HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"no host":     "GET /startup HTTP/1.1\r\n\r\n",
	} {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(time.Minute))
		go io.WriteString(c, request)
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || res.StatusCode < 400 || res.StatusCode >= 500 {
			t.Errorf("%s: %v, %+v; want a refusal", name, err, res)
		}
		c.Close()
	}
}

func TestPrivateSocketIsOfItsUserAlone(t *testing.T) {
	a := newAdmin(nil)
	started(t, a)
	at := a.Private()
	if at == nil || at.Network != "unix" {
		t.Fatalf("private at %+v", at)
	}
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", at.Address)
	}}}
	res, err := client.Get("http://proxy/status.json")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var d status.Document
	if err := json.NewDecoder(res.Body).Decode(&d); err != nil || d.Version != status.Version || d.Proxy.State != status.Starting {
		t.Errorf("got %+v, %v", d, err)
	}
}

func TestPortInUseHasAHint(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	for option, change := range map[string]func(*config.Run){
		"--http-port":  func(r *config.Run) { r.HealthCheck, r.HTTPAddress, r.HTTPPort = true, config.Localhost, port },
		"--admin-port": func(r *config.Run) { r.Debug, r.AdminPort = true, port },
	} {
		testenv.Isolate(t)
		_, err := newAdmin(func(c *Config) { change(&c.Run) }).Listen(t.Context())
		if err == nil || !causes.Misused(err) || !strings.Contains(err.Error(), option+" "+fmt.Sprint(port)) || !strings.Contains(causes.Hint(err), option) {
			t.Errorf("%s: %v, hint %q", option, err, causes.Hint(err))
		}
	}
}

// Another user of the machine can use neither the admin port nor the page.
func TestOtherUsersCannotDirect(t *testing.T) {
	quits := 0
	a := newAdmin(func(c *Config) {
		c.Run.QuitQuitQuit, c.Run.AdminPort = true, 0
		c.Quit = func() { quits++ }
		c.Admit = func(net.Conn) error { return errors.New("this proxy is for ada alone") }
	})
	started(t, a)
	base := "http://" + a.doors.open[0].listeners[0].Addr().String()
	for _, path := range []string{"/quitquitquit", "/shutdown", "/reload", "/disconnect?id=1", "/status.json"} {
		method := "POST"
		if path == "/status.json" {
			method = "GET"
		}
		r, err := http.NewRequest(method, base+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != 403 || !strings.Contains(string(body), "for ada alone") {
			t.Errorf("%s is %d (%s), want 403", path, res.StatusCode, body)
		}
	}
	if quits != 0 {
		t.Error("another user has ended it")
	}
}

// What a name of a client says reaches nobody's terminal raw.
func TestDocumentCleansWhatClientsSay(t *testing.T) {
	server := &fakeServer{sessions: []proxy.SessionSnapshot{{ID: 1, User: "a\x1b[2Jb", Database: "d\u202e", ApplicationName: "x\ny"}}}
	a := newAdmin(nil)
	a.Serving(server, nil, nil)
	out, err := json.Marshal(a.Document())
	if err != nil || strings.Contains(string(out), "\\u001b") || strings.Contains(string(out), "\u202e") || strings.Contains(string(out), `x\ny`) {
		t.Errorf("document %s, %v", out, err)
	}
}
