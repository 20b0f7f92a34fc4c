package page

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/internal/status"
)

// MostClients is how many clients a page lists: enough to look through, and few
// enough to be drawn every two seconds. The busiest are listed.
const MostClients = 200

// view is what the page draws.
type view struct {
	status.Document
	Options

	Title    string // of the window
	Headline string
	Mood     string // class of the headline: bad, warn, ok
	Summary  []string
	Problems []problem
	Chart    chart
	Cards    []card
	Tunnels  []tunnel
	Shown    []client
	Unshown  int
}

// problem is one thing that is wrong, with what fixes it.
type problem struct {
	Key      string
	Failing  bool // else it is a warning
	Title    string
	Since    *time.Time
	Failure  *status.Failure
	Detail   []words
	Hint     []words
	Commands []string
}

// words are a piece of a text: plain, or code that was between backquotes.
type words struct {
	Text string
	Code bool
}

// card is a target.
type card struct {
	status.Target
	Key   string
	Sign  string // of the state, beside its word
	Says  string // what the state means
	Where []string
	Chart chart
	Bar   []part
}

// tunnel is an SSM session.
type tunnel struct {
	status.Session
	Key    string
	Target string
	Filled float64 // of the ceiling, 0 to 100
	Full   bool
}

// client is one that the page lists.
type client struct {
	status.Client
	Name string // for who hears the page: "session 12, app_user on app at orders"
}

func newView(d status.Document, o Options) *view {
	v := &view{Document: d, Options: o, Chart: chartOf(d.Proxy.Traffic)}
	for i, t := range d.Targets {
		v.Cards = append(v.Cards, cardOf(i, t))
		for _, s := range t.Sessions {
			v.Tunnels = append(v.Tunnels, tunnelOf(len(v.Tunnels), t, s))
		}
		if t.State == status.Failing {
			v.Problems = append(v.Problems, failing(i, t))
		}
	}
	for i, w := range d.Warnings {
		if w.Hint != "" && slices.ContainsFunc(d.Failing(), func(t status.Target) bool { return t.Failure != nil && t.Failure.Hint == w.Hint }) {
			continue // a login has failed for it: one fix serves both
		}
		p := problem{Key: fmt.Sprint("w", i), Title: capital(display.Line(w.Text)), Hint: split(w.Hint)}
		p.Commands = commands(p.Hint)
		v.Problems = append(v.Problems, p)
	}
	slices.SortStableFunc(v.Cards, func(a, b card) int { return cmp.Compare(rank(a.State), rank(b.State)) })
	v.Shown, v.Unshown = busiest(d.Clients)
	v.sayHow()
	return v
}

// rank puts what fails before the rest.
func rank(s status.TargetState) int {
	if s == status.Failing {
		return 0
	}
	return 1
}

// sayHow makes the headline and the sums beneath it.
func (v *view) sayHow() {
	bad := len(v.Failing())
	switch {
	case bad > 0:
		v.Mood = "bad"
		v.Headline = fmt.Sprintf("%d of %s failing", bad, plural(len(v.Targets), "target"))
		if bad == 1 && len(v.Targets) == 1 {
			v.Headline = "Logins to " + display.Line(v.Targets[0].Name) + " fail"
		}
	case v.Proxy.State == status.Starting:
		v.Mood, v.Headline = "warn", "Starting"
	case v.Proxy.State == status.Draining:
		v.Mood, v.Headline = "warn", "Ending: open sessions may finish"
	case len(v.Warnings) > 0:
		v.Mood, v.Headline = "warn", "Working, with "+plural(len(v.Warnings), "warning")
	case v.Proxy.Open == 0:
		v.Mood, v.Headline = "ok", "Ready, no clients connected"
	default:
		v.Mood, v.Headline = "ok", "All is well"
	}
	v.Title = v.Headline + " · pgkeyless"
	v.Summary = []string{plural(len(v.Targets), "target"), plural(len(v.Clients), "client"), plural(len(v.Tunnels), "SSM session")}
	if v.Proxy.State == status.Draining && bad > 0 {
		v.Summary = append(v.Summary, "ending")
	}
}

// capital begins a line as a sentence does.
func capital(s string) string {
	r, size := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[size:]
}

// failing is what is wrong with target i.
func failing(i int, t status.Target) problem {
	p := problem{Key: fmt.Sprint("t", i), Failing: true, Title: "Logins to " + display.Line(t.Name) + " fail", Since: t.FailingSince, Failure: t.Failure}
	if t.Failure != nil {
		p.Detail, p.Hint = split(t.Failure.Detail), split(t.Failure.Hint)
		p.Commands = commands(p.Hint)
	}
	return p
}

func cardOf(i int, t status.Target) card {
	c := card{Target: t, Key: fmt.Sprint("target-", i), Chart: chartOf(t.Traffic)}
	switch t.State {
	case status.Idle:
		c.Sign, c.Says = "○", "No client, so no tunnel is open. The next client opens one."
	case status.Opening:
		c.Sign, c.Says = "◔", "The first login is under way."
	case status.Up:
		c.Sign = "●"
	case status.Failing:
		c.Sign = "▲"
	}
	via := t.Via
	if via != "" && via != "none" && !strings.HasPrefix(via, "dial ") {
		via = "via " + via
	} else if via == "none" {
		via = "without a tunnel"
	}
	profile := ""
	if t.Profile != "" {
		profile = "profile " + t.Profile
	}
	for _, fact := range []string{cmp.Or(t.Endpoint, t.Ref), t.Kind, t.Region, via, profile} {
		if fact != "" {
			c.Where = append(c.Where, display.Line(fact))
		}
	}
	if t.Last != nil {
		c.Bar = bar(t.Last.Stages)
	}
	return c
}

// nearCeiling is the part of its ceiling from which a session is called full.
const nearCeiling = 0.85

func tunnelOf(i int, t status.Target, s status.Session) tunnel {
	row := tunnel{Session: s, Key: cmp.Or(display.Line(s.ID), fmt.Sprint("starting-", i)), Target: t.Name}
	if s.Ceiling > 0 {
		row.Filled = min(100, finite(s.Now)/s.Ceiling*100)
		// Uploads have no ceiling, and count in the session's rate.
		row.Full = s.Now >= nearCeiling*s.Ceiling && t.Traffic.DownNow >= t.Traffic.UpNow
	}
	return row
}

// busiest returns at most MostClients in the order of their ids, so that a row keeps
// its place, and how many more there are.
func busiest(all []status.Client) (shown []client, more int) {
	chosen := slices.Clone(all)
	if len(chosen) > MostClients {
		slices.SortStableFunc(chosen, func(a, b status.Client) int {
			return cmp.Or(cmp.Compare(b.UpNow+b.DownNow, a.UpNow+a.DownNow), cmp.Compare(a.Quiet, b.Quiet))
		})
		more = len(chosen) - MostClients
		chosen = chosen[:MostClients]
	}
	slices.SortStableFunc(chosen, func(a, b status.Client) int { return cmp.Compare(a.ID, b.ID) })
	for _, c := range chosen {
		name := fmt.Sprintf("session %d", c.ID)
		if c.User != "" {
			name += ", " + c.User
		}
		if c.Target != "" {
			name += " at " + c.Target
		}
		shown = append(shown, client{Client: c, Name: display.Line(name)})
	}
	return shown, more
}

// split takes code out of its backquotes. One that nothing closes stays as it is.
func split(text string) []words {
	var all []words
	text = display.Line(text)
	for text != "" {
		before, rest, opened := strings.Cut(text, "`")
		code, after, closed := strings.Cut(rest, "`")
		if !opened || !closed {
			return append(all, words{Text: text})
		}
		if before != "" {
			all = append(all, words{Text: before})
		}
		if code != "" {
			all = append(all, words{Text: code, Code: true})
		}
		text = after
	}
	return all
}

// commands are the pieces of code that can be typed: those of more than one word.
func commands(text []words) []string {
	var all []string
	for _, w := range text {
		if w.Code && strings.Contains(w.Text, " ") && !slices.Contains(all, w.Text) {
			all = append(all, w.Text)
		}
	}
	return all
}

// Link is the address of this page, which keeps its token.
func (v *view) Link() string {
	if v.Token == "" {
		return "/"
	}
	return "/?token=" + v.Token
}

// All, Listed and More count clients: those there are, are listed, and are not.
func (v *view) All() int64    { return int64(len(v.Clients)) }
func (v *view) Listed() int64 { return int64(len(v.Shown)) }
func (v *view) More() int64   { return int64(v.Unshown) }

// Ceiling is that of SSM sessions.
func (v *view) Ceiling() string { return fmt.Sprintf("%.1f MB/s", status.AgentCeiling/1e6) }
