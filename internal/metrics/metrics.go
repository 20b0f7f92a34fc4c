package metrics

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"

	"github.com/pgkeyless/pgkeyless/internal/credentials"
	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/proxy"
	"github.com/pgkeyless/pgkeyless/tunnel"
)

// Bounds of what scrapes may take.
const (
	// scrapesAtOnce is more than the two or three Prometheus servers that watch one
	// run; whoever comes beyond it gets 503.
	scrapesAtOnce = 4
	// scrapePatience is Prometheus's own default, after which it no longer listens.
	scrapePatience = 10 * time.Second
)

// Config is what New needs.
type Config struct {
	Namespace      string // goes before the names, with an underscore; may be empty
	Release        string // version of pgkeyless
	MaxConnections int    // 0: no limit
	Log            *slog.Logger
	// Read is called for each scrape, by several goroutines at once. Each counter in
	// what it returns must not fall from one call to the next.
	Read func() Reading
}

// Reading is all that metrics are made of, at one moment.
type Reading struct {
	Server      proxy.Snapshot                      // the zero value before the run is ready
	Sessions    map[string][]tunnel.SessionSnapshot // by target
	Tunnels     tunnel.Totals
	Credentials []credentials.View
	Reload      Reload
}

// Reload is how the configuration was read the last time.
type Reload struct {
	At time.Time
	OK bool
}

// Metrics is a registry of its own. It is safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	log      *slog.Logger
}

// New makes a registry of the run's metrics, Go's and the process's. It panics if
// cfg.Namespace cannot be the start of a name, which package config checks.
func New(cfg Config) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), log: cfg.Log}
	m.registry.MustRegister(newCollector(cfg), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Gather is that of a prometheus.Gatherer. What cannot be told is logged, and left out
// of what it returns.
func (m *Metrics) Gather() ([]*dto.MetricFamily, error) {
	all, err := m.registry.Gather()
	if err != nil {
		m.log.Warn("some metrics are missing", "error", display.Line(err.Error()))
	}
	return all, err
}

// Handler answers scrapes, with all that can be told. Each Handler has a bound of its
// own on how many are served at once.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(m.log.Handler(), slog.LevelDebug), // of clients that left, mostly
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: scrapesAtOnce,
		Timeout:             scrapePatience,
		EnableOpenMetrics:   true,
	})
}
