package status

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// How much of a document is written for a terminal; JSON has all.
const (
	maxClients = 20
	maxShown   = 6 // events
)

// Text is how a document is written for people.
type Text struct {
	Width int  // characters a line, for what can give way
	Color bool // by ANSI escapes
	Only  string
}

// Write returns d in lines: what is wrong first. With Only, that target alone.
func (t Text) Write(d Document) string {
	w := &writer{Text: t, d: d}
	w.head()
	w.troubles()
	w.targets()
	w.tunnels()
	w.clients()
	w.events()
	return w.b.String()
}

type writer struct {
	Text
	d Document
	b strings.Builder
}

func (w *writer) say(format string, args ...any) {
	fmt.Fprintf(&w.b, format+"\n", args...)
}

// part says lines under a title, after an empty line.
func (w *writer) part(lines []string) {
	if len(lines) < 2 {
		return
	}
	w.say("")
	w.say("%s", w.color(bold, lines[0]))
	for _, line := range lines[1:] {
		w.say("%s", line)
	}
}

// Colors of terminals.
const (
	bold   = "1"
	red    = "31;1"
	yellow = "33"
	green  = "32"
)

func (w *writer) color(code, text string) string {
	if !w.Color {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// chosen are the targets that are written about.
func (w *writer) chosen() []Target {
	if w.Only == "" {
		return w.d.Targets
	}
	return slices.DeleteFunc(slices.Clone(w.d.Targets), func(t Target) bool { return !strings.EqualFold(t.Name, w.Only) })
}

func (w *writer) head() {
	p := w.d.Proxy
	state := map[State]string{Starting: "starting", Serving: "serving", Draining: "shutting down, open sessions continue"}[p.State]
	w.say("%s", w.color(bold, fmt.Sprintf("pgkeyless %s, pid %d, up %s, %s", p.Release, p.PID, Span(p.Uptime), state)))
	if p.ConfigFile != "" {
		config := p.ConfigFile
		if p.Reload != nil && p.Reload.OK {
			config += ", reloaded " + clock(w.d.At, p.Reload.At)
		}
		w.say("config   %s", config)
	}
	if p.Page != "" {
		w.say("page     %s", p.Page)
	}
	limit := "no limit"
	if p.MaxConnections > 0 {
		limit = fmt.Sprintf("at most %d", p.MaxConnections)
	}
	w.say("clients  %d open, %s; %d since the start", p.Open, limit, p.Accepted)
	for _, c := range w.d.Credentials {
		w.say("AWS      %s", c.line())
	}
}

// line says whose the credentials are and how long they serve.
func (c Credential) line() string {
	name := cmp.Or(c.Profile, "default")
	switch {
	case c.Error != "":
		return name + ": none, see below"
	case !c.Known:
		return name + ": not needed yet"
	}
	text := name + ": " + cmp.Or(c.ARN, c.Account, "known")
	switch {
	case c.Expires == nil:
	case c.ExpiresIn <= 0:
		text += ", ended"
	default:
		text += ", renewed in " + Span(c.ExpiresIn)
	}
	return text
}

// troubles are the failing targets and the warnings.
func (w *writer) troubles() {
	for _, t := range w.chosen() {
		if t.State != Failing || t.Failure == nil {
			continue
		}
		f := t.Failure
		w.say("")
		w.say("%s", w.color(red, fmt.Sprintf("%s: logins fail since %s", t.Name, clock(w.d.At, *t.FailingSince))))
		w.paragraph("", f.Message+" (SQLSTATE "+f.SQLState+", at stage "+f.Stage+")")
		if f.Detail != "" {
			w.paragraph("detail: ", f.Detail)
		}
		if f.Hint != "" {
			w.paragraph("hint: ", f.Hint)
		}
	}
	for _, warning := range w.d.Warnings {
		w.say("")
		w.say("%s", w.color(yellow, "warning"))
		w.paragraph("", warning.Text)
		if warning.Hint != "" {
			w.paragraph("hint: ", warning.Hint)
		}
	}
}

// paragraph says text behind label, indented.
func (w *writer) paragraph(label, text string) {
	for _, line := range wrap(label+text, max(20, w.Width-2)) {
		w.say("  %s", line)
	}
}

func (w *writer) targets() {
	rows := [][]string{}
	for _, t := range w.chosen() {
		took := "-"
		if t.Last != nil {
			took = Span(t.Last.Took)
		}
		quarter := t.Logins.Quarter
		rows = append(rows, []string{
			t.Name, string(t.State), fmt.Sprint(t.Open), fmt.Sprint(t.Peak), fmt.Sprint(quarter.OK), fmt.Sprint(quarter.Refused), fmt.Sprint(quarter.Failed),
			took, Bytes(t.Traffic.UpNow) + "/s", Bytes(t.Traffic.DownNow) + "/s",
		})
	}
	lines := table([]column{
		{title: "TARGET", give: true}, {title: "STATE"}, {title: "OPEN", right: true}, {title: "PEAK", right: true},
		{title: "OK 15M", right: true}, {title: "REFUSED", right: true}, {title: "FAIL", right: true}, {title: "LOGIN", right: true}, {title: "UP", right: true}, {title: "DOWN", right: true},
	}, rows, w.Width)
	for i := range rows {
		lines[i+1] = strings.Replace(lines[i+1], "  "+rows[i][1], "  "+w.state(TargetState(rows[i][1])), 1)
	}
	w.part(lines)
	if w.Only == "" {
		return
	}
	for _, t := range w.chosen() {
		w.one(t)
	}
}

func (w *writer) state(s TargetState) string {
	switch s {
	case Failing:
		return w.color(red, string(s))
	case Up:
		return w.color(green, string(s))
	}
	return string(s)
}

// one says more about a target.
func (w *writer) one(t Target) {
	w.say("")
	w.say("leads to  %s", cmp.Or(t.Endpoint, t.Ref+", not looked up yet"))
	if what := strings.Join(slices.DeleteFunc([]string{t.Kind, t.Region, via(t)}, func(s string) bool { return s == "" }), ", "); what != "" {
		w.say("          %s", what)
	}
	for _, at := range t.Listen {
		w.say("listens   %s", at)
	}
	if t.Socket != "" {
		w.say("          %s", t.Socket)
	}
	for _, guard := range t.Guards {
		w.say("at login  %s", guard)
	}
	w.say("connect   %s", t.Psql)
	w.say("          %s", t.URL)
	if t.JDBC != "" { // which knows no Unix sockets
		w.say("          %s", t.JDBC)
	}
	if t.Last != nil {
		var parts []string
		for _, s := range t.Last.Stages {
			parts = append(parts, s.Name+" "+Span(s.Took))
		}
		w.say("login     %s: %s", clock(w.d.At, t.Last.At), strings.Join(parts, ", "))
	}
}

func via(t Target) string {
	switch t.Via {
	case "", "none":
		return "without a tunnel"
	}
	return "via " + t.Via
}

func (w *writer) tunnels() {
	var rows [][]string
	for _, t := range w.chosen() {
		for _, s := range t.Sessions {
			trip := "-"
			if s.Trip > 0 {
				trip = Span(s.Trip)
			}
			rows = append(rows, []string{
				cmp.Or(s.ID, "starting"), t.Name, s.JumpHost, s.State, brief(s.Age), fmt.Sprint(s.Streams), fmt.Sprint(s.Resumes), trip, Bytes(s.Now) + "/s",
			})
		}
	}
	w.part(table([]column{
		{title: "SSM SESSION", give: true}, {title: "TARGET", give: true}, {title: "JUMP HOST", give: true}, {title: "STATE"}, {title: "AGE"},
		{title: "STREAMS", right: true}, {title: "RESUMED", right: true}, {title: "TRIP", right: true}, {title: "NOW", right: true},
	}, rows, w.Width))
}

func (w *writer) clients() {
	all := w.d.Clients
	if w.Only != "" {
		all = slices.DeleteFunc(slices.Clone(all), func(c Client) bool { return !strings.EqualFold(c.Target, w.Only) })
	}
	var rows [][]string
	for _, c := range all[:min(len(all), maxClients)] {
		state := c.State
		if state == "idle" {
			state += " " + brief(c.Quiet)
		}
		rows = append(rows, []string{
			fmt.Sprint(c.ID), cmp.Or(c.Target, "-"), cmp.Or(c.Peer, c.From), cmp.Or(c.User, "-"), cmp.Or(c.Database, "-"), cmp.Or(c.Application, "-"),
			state, Bytes(float64(c.Up)), Bytes(float64(c.Down)),
		})
	}
	w.part(table([]column{
		{title: "ID", right: true}, {title: "TARGET", give: true}, {title: "FROM", give: true}, {title: "USER", give: true}, {title: "DATABASE", give: true},
		{title: "APP", give: true}, {title: "STATE"}, {title: "UP", right: true}, {title: "DOWN", right: true},
	}, rows, w.Width))
	if more := len(all) - maxClients; more > 0 {
		w.say("and %d more; --json has all", more)
	}
}

func (w *writer) events() {
	lines := []string{"LATELY"}
	for _, e := range w.d.Events[:min(len(w.d.Events), maxShown)] {
		text := clock(w.d.At, e.At) + "  " + e.Text
		if e.Target != "" {
			text += "  " + e.Target
		}
		for _, f := range e.Facts {
			if f.Name == "error" || f.Name == "reason" {
				text += "  " + f.Value
			}
		}
		lines = append(lines, cut(text, max(40, w.Width)))
	}
	w.part(lines)
}

// clock is a time of day here, with the date when it is not today's.
func clock(now, at time.Time) string {
	now, at = now.Local(), at.Local()
	if now.Year() == at.Year() && now.YearDay() == at.YearDay() {
		return at.Format("15:04:05")
	}
	return at.Format("2006-01-02 15:04")
}
