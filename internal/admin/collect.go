package admin

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/credentials"
	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/internal/status"
	"github.com/pgkeyless/pgkeyless/internal/targets"
	"github.com/pgkeyless/pgkeyless/proxy"
	"github.com/pgkeyless/pgkeyless/tunnel"
)

// rootEndSoon is when a warning is due: in time for a person to do something.
const rootEndSoon = 90 * 24 * time.Hour

// view is everything that a Document is made from, at one moment.
type view struct {
	now      time.Time
	proxy    status.Proxy    // but for what server says
	targets  []status.Target // what does not change while they are served
	warnings []status.Warning
	server   proxy.Snapshot
	sessions []proxy.SessionSnapshot
	places   map[string]targets.Place
	keys     []credentials.View
	callers  map[string]credentials.Caller
	events   []status.Event
	history  *history
}

// document writes v down. It is pure, but for the SSM sessions of v.places.
func (v view) document() status.Document {
	d := status.Document{Version: status.Version, At: v.now.UTC(), Proxy: v.proxy, Events: v.events,
		Credentials: []status.Credential{}, Warnings: slices.Clone(v.warnings), Targets: []status.Target{}, Clients: []status.Client{}}
	routes := make(map[string]proxy.RouteSnapshot, len(v.server.Routes))
	for _, r := range v.server.Routes {
		routes[r.Name] = r
	}
	for _, t := range v.targets {
		d.Targets = append(d.Targets, v.target(t, routes[t.Name]))
	}
	for _, s := range v.sessions {
		d.Clients = append(d.Clients, v.client(s))
	}
	for _, k := range v.keys {
		c, warning := v.credential(k)
		d.Credentials = append(d.Credentials, c)
		if warning != nil {
			d.Warnings = append(d.Warnings, *warning)
		}
	}
	d.Warnings = append(d.Warnings, v.endingRoots()...)
	if r := v.proxy.Reload; r != nil && !r.OK {
		d.Warnings = append(d.Warnings, status.Warning{Text: "the configuration was not reloaded, the old one still applies: " + r.Error, Hint: r.Hint})
	}
	d.Proxy.Uptime = v.now.Sub(v.proxy.Started).Seconds()
	d.Proxy.Open, d.Proxy.Accepted = v.server.Open, v.server.Accepted
	d.Proxy.Cancels = status.CancelSums{Known: v.server.CancelsKnown, Unknown: v.server.CancelsUnknown}
	d.Proxy.Unstarted = reasons(v.server.Unstarted)
	d.Proxy.Traffic = sum(d.Targets)
	d.Proxy.Traffic.Up, d.Proxy.Traffic.Down = v.server.BytesUp, v.server.BytesDown
	if d.Warnings == nil {
		d.Warnings = []status.Warning{}
	}
	if d.Events == nil {
		d.Events = []status.Event{}
	}
	return d
}

// target adds to t what its clients have met.
func (v view) target(t status.Target, r proxy.RouteSnapshot) status.Target {
	place := v.places[t.Name]
	t.Endpoint = cmp.Or(place.Endpoint, t.Endpoint)
	t.Region = cmp.Or(place.Region, t.Region)
	t.Kind = cmp.Or(place.Kind, t.Kind)
	t.Open, t.Starting, t.Peak = r.Active, r.Starting, r.Peak
	value := countersOf(r)
	t.Logins = status.Logins{
		Minute:  v.history.since(t.Name, value, v.now, minute),
		Quarter: v.history.since(t.Name, value, v.now, quarter),
		Total:   value.Outcomes,
		Retries: r.Retries,
		Ready:   status.Ready{Now: r.Ready, Made: r.ReadyMade, Used: r.ReadyUsed, Dropped: r.ReadyDropped},
	}
	t.Last = login(r.LastLogin)
	t.Failure = failure(r.LastFailure)
	t.Traffic = v.history.traffic(t.Name, value)
	t.Sessions = []status.Session{}
	ready := false
	for _, s := range place.Sessions() {
		t.Sessions = append(t.Sessions, session(s))
		ready = ready || s.State == tunnel.StateReady || s.State == tunnel.StateResuming
	}
	switch {
	case !r.FailingSince.IsZero():
		t.State, t.FailingSince = status.Failing, utc(r.FailingSince)
	case r.Active > 0 || ready:
		t.State = status.Up
	case r.Starting > 0 || len(t.Sessions) > 0:
		t.State = status.Opening
	default:
		t.State = status.Idle
	}
	return t
}

func login(r proxy.LoginRecord) *status.Login {
	if r.At.IsZero() {
		return nil
	}
	l := &status.Login{At: r.At.UTC(), Took: r.Took.Seconds()}
	for _, stage := range proxy.Stages {
		if took, ok := r.In[stage]; ok {
			l.Stages = append(l.Stages, status.Stage{Name: string(stage), Took: took.Seconds()})
		}
	}
	return l
}

func failure(r proxy.FailureRecord) *status.Failure {
	if r.At.IsZero() {
		return nil
	}
	return &status.Failure{At: r.At.UTC(), Stage: string(r.Stage), Cause: r.Cause, SQLState: r.SQLState, Message: r.Message, Detail: r.Detail, Hint: r.Hint}
}

func session(s tunnel.SessionSnapshot) status.Session {
	return status.Session{
		ID: s.ID, JumpHost: s.JumpHost, Agent: s.Agent, State: string(s.State), Retired: s.Retired,
		Age: s.Age.Seconds(), Streams: s.Streams, Resumes: s.Resumes, Resent: s.Resent,
		Trip: s.RoundTrip.Seconds(), Silent: s.Silent.Seconds(),
		Now: float64(s.Recent) / recentSpan.Seconds(), Ceiling: status.AgentCeiling,
	}
}

// recentSpan is that of tunnel.SessionSnapshot.Recent.
const recentSpan = 2 * time.Second

// client is one connection. Its names come from the client, and are made fit to be
// shown.
func (v view) client(s proxy.SessionSnapshot) status.Client {
	c := status.Client{
		ID: s.ID, Target: s.Route, From: display.Line(s.Client), Via: display.Line(s.Via), Peer: display.Line(s.Peer), TLS: s.TLS,
		User: display.Line(s.User), Database: display.Line(s.Database), Application: display.Line(s.ApplicationName),
		Since: s.Began.UTC(), PID: s.PID, State: "starting", Up: s.BytesUp, Down: s.BytesDown,
	}
	a, known := v.history.clients[s.ID]
	if !known {
		a.moved = s.Began
	}
	moves := a.up != s.BytesUp || a.down != s.BytesDown
	if moves {
		a.moved = v.now
	}
	c.UpNow, c.DownNow = a.upNow, a.downNow
	c.Quiet = max(0, v.now.Sub(a.moved).Seconds())
	if !s.LoggedIn.IsZero() {
		c.LoggedIn = utc(s.LoggedIn)
		c.State = "idle"
		// What goes on since the last two samples is no answer's end: a download, say.
		if s.Asked || moves && a.upNow+a.downNow > 0 {
			c.State = "active"
		}
	}
	return c
}

// credential is what is known of a profile, and a warning when it will not do for
// long.
func (v view) credential(k credentials.View) (status.Credential, *status.Warning) {
	caller := v.callers[k.Profile]
	c := status.Credential{Profile: k.Profile, Known: !k.Retrieved.IsZero(), ARN: caller.ARN, Account: cmp.Or(caller.Account, k.Account), Renewable: k.Renewable}
	name := "the AWS credentials"
	if k.Profile != "" {
		name = fmt.Sprintf("the AWS credentials of profile %q", k.Profile)
	}
	var warning *status.Warning
	if !k.Expires.IsZero() {
		c.Expires, c.ExpiresIn = utc(k.Expires), k.Expires.Sub(v.now).Seconds()
	}
	if k.Failed != nil {
		c.Error, c.Hint = display.Line(k.Failed.Error()), display.Line(causes.Hint(k.Failed))
		warning = &status.Warning{Text: name + " are not available: " + c.Error, Hint: c.Hint}
	}
	return c, warning
}

// endingRoots warns of certificates that end soon.
func (v view) endingRoots() []status.Warning {
	var all []status.Warning
	for _, r := range v.server.Routes {
		if r.RootExpires.IsZero() || r.RootExpires.Sub(v.now) > rootEndSoon {
			continue
		}
		all = append(all, status.Warning{
			Text: fmt.Sprintf("the root certificate for %s expires on %s", r.Name, r.RootExpires.UTC().Format(time.DateOnly)),
			Hint: "rotate the database's CA certificate to one of the newer RDS roots",
		})
	}
	return all
}

func reasons(counts map[string]int64) []status.Reason {
	all := []status.Reason{}
	for _, reason := range slices.Sorted(maps.Keys(counts)) {
		all = append(all, status.Reason{Reason: reason, Count: counts[reason]})
	}
	return all
}

func utc(t time.Time) *time.Time {
	t = t.UTC()
	return &t
}
