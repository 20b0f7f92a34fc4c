package metrics

import (
	"maps"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/credentials"
	"github.com/pgkeyless/pgkeyless/proxy"
	"github.com/pgkeyless/pgkeyless/tunnel"
)

// otherCause is for failures without a row in the table of causes.
const otherCause = "other"

var sessionStates = []tunnel.State{tunnel.StateStarting, tunnel.StateReady, tunnel.StateResuming, tunnel.StateRetired, tunnel.StateEnding}

// collector makes metrics of Readings.
type collector struct {
	cfg    Config
	descs  map[*family]*prometheus.Desc
	causes map[string]bool
}

func newCollector(cfg Config) *collector {
	c := &collector{cfg: cfg, descs: make(map[*family]*prometheus.Desc, len(families)), causes: map[string]bool{}}
	for _, f := range families {
		c.descs[f] = f.desc(cfg.Namespace)
	}
	for _, row := range causes.All() {
		c.causes[row.Name] = true
	}
	return c
}

// Describe and Collect are those of a prometheus.Collector.
func (c *collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		to <- d
	}
}

func (c *collector) Collect(to chan<- prometheus.Metric) {
	s, r := sink{c.descs, to}, c.cfg.Read()
	s.put(buildInfo, 1, c.cfg.Release, runtime.Version())
	s.put(maxConnections, float64(c.cfg.MaxConnections))
	s.put(reloadSuccess, truth(r.Reload.OK))
	s.time(reloadTime, r.Reload.At)
	c.server(s, r.Server)
	for target, sessions := range r.Sessions {
		ssmOf(s, target, sessions)
	}
	totals(s, r.Tunnels)
	for _, v := range r.Credentials {
		keys(s, v)
	}
}

// server reports clients.
func (c *collector) server(s sink, now proxy.Snapshot) {
	for _, reason := range proxy.UnstartedReasons {
		s.put(unstarted, float64(now.Unstarted[reason]), reason)
	}
	for known, n := range map[bool]int64{true: now.CancelsKnown, false: now.CancelsUnknown} {
		s.put(cancels, float64(n), strconv.FormatBool(known))
	}
	nameless, ends := proxy.RouteSnapshot{}, time.Time{}
	for _, r := range now.Routes {
		if r.Name == "" {
			nameless = r
			continue
		}
		c.route(s, r)
		s.put(accepted, float64(r.Accepted), r.Name)
		if !r.RootExpires.IsZero() && (ends.IsZero() || r.RootExpires.Before(ends)) {
			ends = r.RootExpires
		}
	}
	s.time(rootExpiry, ends)
	c.logins(s, nameless)
	// Those that still start may be led to a target yet, and then count there.
	s.put(accepted, float64(nameless.Accepted-int64(nameless.Starting)), "")
}

// route reports the clients of a target, but for what all clients have.
func (c *collector) route(s sink, r proxy.RouteSnapshot) {
	c.logins(s, r)
	s.put(loginRetries, float64(r.Retries), r.Name)
	s.put(readyLogins, float64(r.Ready), r.Name)
	s.put(readyLoginsEnded, float64(r.ReadyUsed), r.Name, "used")
	s.put(readyLoginsEnded, float64(r.ReadyDropped), r.Name, "dropped")
	s.put(sentBytes, float64(r.BytesUp), r.Name, "up")
	s.put(sentBytes, float64(r.BytesDown), r.Name, "down")
	for _, stage := range proxy.Stages {
		s.histogram(loginSeconds, r.LoginTimes[stage], r.Name, string(stage))
	}
	s.histogram(sessionSeconds, r.SessionTimes, r.Name)
}

// logins reports connections and logins. A failure of each stage is there from the
// start, with the cause "other"; those of the table follow when they occur.
func (c *collector) logins(s sink, r proxy.RouteSnapshot) {
	s.put(open, float64(r.Starting), r.Name, "starting")
	s.put(open, float64(r.Active), r.Name, "active")
	for result, n := range map[string]int64{"ok": r.Logins, "refused": r.Refused, "failed": r.Failed, "left": r.Left} {
		s.put(logins, float64(n), r.Name, result)
	}
	failed := map[proxy.Failure]int64{{Stage: proxy.StageStartup, Cause: otherCause}: 0}
	for _, stage := range proxy.Stages {
		failed[proxy.Failure{Stage: stage, Cause: otherCause}] = 0
	}
	known := maps.Clone(failed)
	for f, n := range r.Failures {
		if !c.causes[f.Cause] {
			f.Cause = otherCause
		}
		if _, ok := known[proxy.Failure{Stage: f.Stage, Cause: otherCause}]; !ok {
			f.Stage = proxy.StageStartup
		}
		failed[f] += n
	}
	for f, n := range failed {
		s.put(loginFailures, float64(n), r.Name, string(f.Stage), f.Cause)
	}
}

// ssmOf reports the SSM sessions that lead to target.
func ssmOf(s sink, target string, sessions []tunnel.SessionSnapshot) {
	type place struct {
		host  string
		state tunnel.State
	}
	counts, trips := map[place]int{}, map[string]time.Duration{}
	for _, session := range sessions {
		counts[place{session.JumpHost, session.State}]++
		trips[session.JumpHost] = max(trips[session.JumpHost], session.RoundTrip)
	}
	for host, trip := range trips {
		for _, state := range sessionStates {
			s.put(ssmSessions, float64(counts[place{host, state}]), target, host, string(state))
		}
		if trip > 0 { // zero: not measured yet
			s.put(ssmRTT, trip.Seconds(), target, host)
		}
	}
}

// totals reports all SSM sessions together.
func totals(s sink, t tunnel.Totals) {
	s.put(ssmStarted, float64(t.Started), "ok")
	s.put(ssmStarted, float64(t.FailedStarts), "failed")
	s.put(ssmResumes, float64(t.Resumes), "ok")
	s.put(ssmResumes, float64(t.FailedResumes), "failed")
	s.put(ssmResent, float64(t.Resent))
}

// keys reports the credentials of a profile.
func keys(s sink, v credentials.View) {
	if !v.Retrieved.IsZero() {
		s.put(credentialsRenewable, truth(v.Renewable), v.Profile)
		s.time(credentialsExpiry, v.Expires, v.Profile)
	}
	if !v.Retrieved.IsZero() || v.Failed != nil {
		s.put(credentialsSuccess, truth(v.Failed == nil), v.Profile)
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// sink takes the metrics of one scrape.
type sink struct {
	descs map[*family]*prometheus.Desc
	to    chan<- prometheus.Metric
}

// put writes a counter or a gauge.
func (s sink) put(f *family, value float64, labels ...string) {
	kind := prometheus.GaugeValue
	if f.kind == counter {
		kind = prometheus.CounterValue
	}
	s.to <- prometheus.MustNewConstMetric(s.descs[f], kind, value, valid(labels)...)
}

// time writes a moment, unless it is the zero one.
func (s sink) time(f *family, at time.Time, labels ...string) {
	if !at.IsZero() {
		s.put(f, float64(at.UnixMilli())/1000, labels...)
	}
}

func (s sink) histogram(f *family, h proxy.Histogram, labels ...string) {
	upTo, n := make(map[float64]uint64, len(h.Bounds)), uint64(0)
	for i, bound := range h.Bounds {
		n += uint64(h.Counts[i])
		upTo[bound.Seconds()] = n
	}
	s.to <- prometheus.MustNewConstHistogram(s.descs[f], uint64(h.Count()), h.Sum.Seconds(), upTo, valid(labels)...)
}

// valid are labels that Prometheus takes: a profile may have any bytes.
func valid(labels []string) []string {
	for i, l := range labels {
		labels[i] = strings.ToValidUTF8(l, "?")
	}
	return labels
}
