package page

import (
	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"

	"github.com/pgkeyless/pgkeyless/internal/status"
)

// moods are the signs of the headline's moods.
var moods = map[string]string{"bad": "▲", "warn": "◆", "ok": "●"}

func headline(v *view) g.Node {
	dot := func() g.Node { return sign(" · ") }
	return h.Div(h.Class("headline"), h.Data("key", "headline"),
		h.H1(h.Class(v.Mood), h.Span(h.Class("dot"), unspoken(), g.Text(moods[v.Mood])), g.Text(v.Headline)),
		h.P(h.Class("sums"),
			joined(v.Summary, dot(), func(s string) g.Node { return h.Span(g.Text(s)) }),
			dot(), h.Span(g.Text(rate(v.Proxy.Traffic.DownNow)+" down, "+rate(v.Proxy.Traffic.UpNow)+" up")),
		),
	)
}

func problems(v *view) g.Node {
	if len(v.Problems) == 0 {
		return nil
	}
	return h.Section(h.Class("problems"), h.Aria("label", "What is wrong"), h.Data("key", "problems"),
		g.Map(v.Problems, func(p problem) g.Node { return p.draw(v) }))
}

func (p problem) draw(v *view) g.Node {
	mood, mark, word := "warn", "◆ ", "warning"
	if p.Failing {
		mood, mark, word = "bad", "▲ ", "failing"
	}
	var since, message, why, fine g.Node
	if p.Since != nil {
		since = h.P(h.Class("since"), g.Text("since "), v.time(*p.Since), g.Text(", for "+ago(v.At, *p.Since)))
	}
	if f := p.Failure; f != nil {
		message = h.P(h.Class("message"), text(f.Message))
		fine = h.P(h.Class("fine"), g.Text("at stage "), h.B(text(f.Stage)), g.Text(", cause "), code(f.Cause), g.Text(", SQLSTATE "), code(f.SQLState),
			g.Text(", last at "), v.time(f.At))
	}
	if len(p.Detail)+len(p.Hint) > 0 {
		part := func(name string, w []words) g.Node {
			if len(w) == 0 {
				return nil
			}
			return fact(name, wording(w))
		}
		why = h.Dl(h.Class("why"), part("Detail", p.Detail), part("Hint", p.Hint))
	}
	return h.Article(h.Class("problem "+mood), h.Data("key", p.Key),
		h.H2(h.Span(h.Class("tag"), sign(mark), g.Text(word)), g.Text(" "+p.Title)),
		since, message, why,
		g.Map(p.Commands, func(c string) g.Node { return copied("Run", c, "command") }),
		fine,
	)
}

// about is the panel of the process.
func about(v *view) g.Node {
	p := v.Proxy
	open := count(p.Open) + " open"
	if p.MaxConnections > 0 {
		open += " of " + line(p.MaxConnections)
	}
	cancels := count(p.Cancels.Known)
	if p.Cancels.Unknown != 0 {
		cancels += ", " + count(p.Cancels.Unknown) + " unknown"
	}
	var unstarted g.Node
	if len(p.Unstarted) > 0 {
		unstarted = fact("Never started", joined(p.Unstarted, g.Text(", "), func(r status.Reason) g.Node { return g.Text(count(r.Count) + " " + line(r.Reason)) }))
	}
	return h.Section(h.Class("panel about"), h.Aria("labelledby", "about"), h.Data("key", "about"),
		h.H2(h.ID("about"), h.Class("unseen"), g.Text("This proxy")),
		h.Dl(h.Class("facts"),
			fact("State", text(p.State)),
			fact("Version", text(p.Release)),
			fact("Process", number(p.PID)),
			fact("Running for", h.Time(h.DateTime(iso(p.Started)), h.Title("since "+full(p.Started)), g.Text(span(p.Uptime)))),
			fact("Connections", g.Text(open+", "+count(p.Accepted)+" so far")),
			fact("Carried", titled(exact(p.Traffic.Down), bytesOf(p.Traffic.Down)), g.Text(" down, "), titled(exact(p.Traffic.Up), bytesOf(p.Traffic.Up)), g.Text(" up")),
			fact("Cancelled", g.Text(cancels)),
			unstarted,
			wide("Configuration", configuration(v)...),
			g.Map(v.Credentials, func(c status.Credential) g.Node { return credential(c) }),
		),
		v.Chart.draw(),
	)
}

// configuration says where it is from, and how the last reload came out.
func configuration(v *view) []g.Node {
	from := g.Text("command line and environment")
	if v.Proxy.ConfigFile != "" {
		from = code(v.Proxy.ConfigFile)
	}
	r := v.Proxy.Reload
	if r == nil {
		return []g.Node{from}
	}
	how := g.Text("reloaded")
	if !r.OK {
		how = h.B(h.Class("bad"), g.Text("reload refused"))
	}
	return []g.Node{from, h.Br(), how, g.Text(" at "), v.time(r.At)}
}

// credential is whose AWS credentials a profile has, and how long they last.
func credential(c status.Credential) g.Node {
	name := "AWS credentials"
	if c.Profile != "" {
		name = "AWS profile " + line(c.Profile)
	}
	var who, left g.Node
	switch {
	case c.ARN != "":
		who = g.Group{code(c.ARN), h.Br()}
	case c.Account != "":
		who = g.Group{g.Text("account " + line(c.Account)), h.Br()}
	case c.Error == "" && c.Expires == nil:
		who = g.Text(either(c.Known, "in use", "not asked for yet"))
	}
	bad := func(s string) g.Node { return h.B(h.Class("bad"), g.Text(s)) }
	switch {
	case c.Error != "":
		left = bad("not available")
	case c.Expires == nil:
	case c.ExpiresIn < 0:
		left = bad("ended " + span(-c.ExpiresIn) + " ago")
	default:
		left = h.Time(h.DateTime(iso(*c.Expires)), h.Title("until "+full(*c.Expires)), g.Text(span(c.ExpiresIn)+" left"))
	}
	if left != nil && c.Error == "" && c.Renewable {
		left = g.Group{left, g.Text(", renewed by itself")}
	}
	return wide(name, who, left)
}
