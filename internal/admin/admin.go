package admin

import (
	"context"
	"crypto/rand"
	"log/slog"
	"maps"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/credentials"
	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/internal/metrics"
	"github.com/pgkeyless/pgkeyless/internal/secret"
	"github.com/pgkeyless/pgkeyless/internal/status"
	"github.com/pgkeyless/pgkeyless/internal/targets"
	"github.com/pgkeyless/pgkeyless/proxy"
	"github.com/pgkeyless/pgkeyless/tunnel"
)

// Config is what New needs.
type Config struct {
	Run      config.Run
	Release  string // version of pgkeyless
	Started  time.Time
	Log      *slog.Logger
	Events   *Events // that Log feeds
	Profiles Profiles
	Wiring   Wiring
	// Admit says whose clients may use the admin port and the status page, as it does for
	// the database ports: the error is for people.
	Admit func(net.Conn) error
	// Reload reads the configuration again; its error says why it stays as it was.
	Reload func(context.Context) error
	// Quit ends the run, with exit code 0, as soon as its sessions have ended.
	Quit func()
}

// Wiring knows where targets lead. *targets.Wiring is one.
type Wiring interface {
	Places() map[string]targets.Place
	Totals() tunnel.Totals
}

// Server is the running proxy. *proxy.Server is one.
type Server interface {
	Snapshot() proxy.Snapshot
	Sessions() []proxy.SessionSnapshot
	Disconnect(id uint64) bool
	Alive(context.Context) error
}

// Admin answers what people and programs ask of a run. It is safe for concurrent use.
type Admin struct {
	cfg     Config
	token   secret.Text // of the page, for what changes something
	doors   doors
	metrics *metrics.Metrics

	mu       sync.Mutex
	state    status.State
	server   Server // nil before the run is ready
	targets  []status.Target
	warnings []status.Warning
	reload   *status.Reload
	callers  map[string]credentials.Caller
	history  history

	pulse *pulse
}

// New makes an Admin of a run that starts. It opens nothing.
func New(cfg Config) *Admin {
	a := &Admin{cfg: cfg, token: secret.New(rand.Text()), state: status.Starting, callers: map[string]credentials.Caller{}, pulse: newPulse()}
	a.metrics = metrics.New(metrics.Config{Namespace: cfg.Run.PrometheusNamespace, Release: cfg.Release, MaxConnections: cfg.Run.MaxConnections, Log: cfg.Log, Read: a.reading})
	return a
}

// Serving says what is served now: at the first call the run is ready.
func (a *Admin) Serving(server Server, served []status.Target, warnings []status.Warning) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.server, a.targets, a.warnings = server, served, warnings
	if a.state == status.Starting {
		a.state = status.Serving
	}
}

// Draining says that the run will end.
func (a *Admin) Draining() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.state = status.Draining
}

// Reloaded says how reading the configuration again came out.
func (a *Admin) Reloaded(err error, now time.Time) {
	r := &status.Reload{At: now.UTC(), OK: err == nil}
	if err != nil {
		r.Error, r.Hint = display.Line(err.Error()), display.Line(causes.Hint(err))
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.reload = r
}

// Document is what can be said now.
func (a *Admin) Document() status.Document { return a.view(time.Now()).document() }

// view gathers it. What takes long is asked without a lock.
func (a *Admin) view(now time.Time) view {
	a.mu.Lock()
	server := a.server
	a.mu.Unlock()
	v := view{now: now, places: a.cfg.Wiring.Places(), keys: a.cfg.Profiles.Views(), events: a.cfg.Events.Latest()}
	if server != nil {
		v.server, v.sessions = server.Snapshot(), server.Sessions()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	v.proxy = status.Proxy{
		Release: a.cfg.Release, PID: os.Getpid(), State: a.state, Started: a.cfg.Started.UTC(), ConfigFile: a.cfg.Run.ConfigFile,
		Reload: a.reload, MaxConnections: a.cfg.Run.MaxConnections, Page: a.doors.page(),
	}
	v.targets, v.warnings, v.callers = a.targets, slices.Clone(a.warnings), maps.Clone(a.callers)
	v.history = a.history.clone()
	return v
}

// watch takes samples, and finds out whose the credentials are, until ctx ends.
func (a *Admin) watch(ctx context.Context) {
	who := identities{profiles: a.cfg.Profiles, regions: a.regionOf, asked: map[string]time.Time{}}
	ticks := time.NewTicker(status.HistoryStep)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticks.C:
			a.sample(now)
			for _, profile := range who.due(now) {
				if caller := who.ask(ctx, profile, now); caller.ARN != "" {
					a.mu.Lock()
					a.callers[profile] = caller
					a.mu.Unlock()
				}
			}
		}
	}
}

// sample notes the counters.
func (a *Admin) sample(now time.Time) {
	a.mu.Lock()
	server := a.server
	a.mu.Unlock()
	if server == nil {
		return
	}
	counted, sessions := server.Snapshot(), server.Sessions()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.history.add(now, counted, sessions)
}

// Identity is whose the AWS credentials of a target are, "" while that is not known.
func (a *Admin) Identity(target string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, t := range a.targets {
		if t.Name == target {
			return a.callers[t.Profile].ARN
		}
	}
	return ""
}

// regionOf is a region in which profile is used, or "".
func (a *Admin) regionOf(profile string) string {
	places := a.cfg.Wiring.Places()
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, t := range a.targets {
		if t.Profile == profile && places[t.Name].Region != "" {
			return places[t.Name].Region
		}
	}
	return ""
}
