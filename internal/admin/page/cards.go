package page

import (
	"fmt"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"

	"github.com/pgkeyless/pgkeyless/internal/status"
)

func targets(v *view) g.Node {
	cards := h.P(h.Class("none"), g.Text("None are served yet."))
	if len(v.Cards) > 0 {
		cards = h.Div(h.Class("cards"), g.Map(v.Cards, func(c card) g.Node { return c.draw(v) }))
	}
	return h.Section(h.Aria("labelledby", "targets"), h.Data("key", "targets"), h.H2(h.ID("targets"), g.Text("Targets")), cards)
}

func (c card) draw(v *view) g.Node {
	var where, says, guards, last g.Node
	if len(c.Where) > 0 {
		where = h.P(h.Class("where"), joined(c.Where, sign(" · "), func(s string) g.Node { return h.Span(g.Text(s)) }))
	}
	if c.Says != "" {
		says = h.P(h.Class("says"), g.Text(c.Says))
	}
	if len(c.Guards) > 0 {
		guards = h.P(h.Class("guards"), soft("Every login sets"), g.Text(" "), g.Map(c.Guards, func(s string) g.Node { return g.Group{code(s), g.Text(" ")} }))
	}
	if c.Last != nil {
		last = h.Div(h.Class("login"), h.P(g.Text("Last login took "), h.B(g.Text(span(c.Last.Took))), g.Text(", "), v.time(c.Last.At)))
	}
	return h.Article(h.Class("panel card is-"+line(c.State)), h.Data("key", c.Key), h.Data("name", line(c.Name)), h.Data("state", line(c.State)), h.Aria("labelledby", c.Key),
		h.Header(
			h.H3(h.ID(c.Key), text(c.Name)),
			g.Text(" "),
			h.Span(h.Class("pill "+line(c.State)), sign(c.Sign+" "), text(c.State)),
		),
		where, says,
		copied("psql", c.Psql, "psql line"),
		c.Chart.draw(),
		h.Div(h.Class("numbers"), c.sums(), c.logins()),
		guards, last, c.stages(), c.ways(v),
	)
}

// sums are a target's clients and bytes.
func (c card) sums() g.Node {
	clients := " open"
	if c.Starting > 0 {
		clients += fmt.Sprintf(", %d logging in", c.Starting)
	}
	return h.Dl(
		fact("Clients", h.B(number(c.Open)), g.Text(fmt.Sprintf("%s, peak %d", clients, c.Peak))),
		fact("Carried", titled(exact(c.Traffic.Down), bytesOf(c.Traffic.Down)), g.Text(" down, "), titled(exact(c.Traffic.Up), bytesOf(c.Traffic.Up)), g.Text(" up")),
	)
}

func (c card) logins() g.Node {
	column := func(s string) g.Node { return h.Th(h.Scope("col"), g.Text(s)) }
	row := func(name string, of func(status.Outcomes) int64) g.Node {
		cell := func(o status.Outcomes) g.Node { return h.Td(g.Text(count(of(o)))) }
		return h.Tr(h.Th(h.Scope("row"), g.Text(name)), cell(c.Logins.Minute), cell(c.Logins.Quarter), cell(c.Logins.Total))
	}
	var left g.Node
	if c.Logins.Total.Left != 0 {
		left = row("left", func(o status.Outcomes) int64 { return o.Left })
	}
	return h.Table(h.Class("small"),
		h.Caption(h.Class("unseen"), g.Text("Logins to "+line(c.Name))),
		h.THead(h.Tr(column("Logins"), column("1 min"), column("15 min"), column("total"))),
		h.TBody(
			row("ok", func(o status.Outcomes) int64 { return o.OK }),
			row("refused", func(o status.Outcomes) int64 { return o.Refused }),
			row("failed", func(o status.Outcomes) int64 { return o.Failed }),
			left,
		),
	)
}

// stages are the parts of the last login, as a bar with its legend.
func (c card) stages() g.Node {
	if len(c.Bar) == 0 {
		return nil
	}
	number := func(n float64) string { return fmt.Sprintf("%.2f", n) }
	return g.Group{
		h.SVG(h.Class("bar"), viewBox("0 0 100 6"), stretched(), unspoken(), g.Map(c.Bar, func(p part) g.Node {
			return g.El("rect", h.Class(fmt.Sprint("c", p.Color)), g.Attr("x", number(p.X)), h.Width(number(p.Width)), g.Attr("y", "0"), h.Height("6"))
		})),
		h.Ul(h.Class("legend"), g.Map(c.Bar, func(p part) g.Node {
			return h.Li(h.Span(h.Class(fmt.Sprint("swatch c", p.Color)), unspoken()), g.Text(line(p.Name)+" "+span(p.Took)))
		})),
	}
}

// ways are the other ways to connect, and what matters less.
func (c card) ways(v *view) g.Node {
	var listen, socket, retries, failure g.Node
	if len(c.Listen) > 0 {
		listen = fact("Listens on", joined(c.Listen, g.Text(", "), func(s string) g.Node { return code(s) }), g.Text(either(c.Shared, ", which other targets share", "")))
	}
	if c.Socket != "" {
		socket = fact("Socket", code(c.Socket))
	}
	if c.Logins.Retries != 0 {
		retries = fact("Tried again", g.Text(count(c.Logins.Retries)+" logins"))
	}
	if f := c.Failure; f != nil && c.State != status.Failing {
		failure = fact("Last failure", v.time(f.At), g.Text(": "+line(f.Message)))
	}
	return h.Details(
		h.Summary(g.Text("More ways to connect"), unseen(" to "+line(c.Name))),
		given(c.URL, func(s string) g.Node { return copied("URL", s, "URL") }),
		given(c.JDBC, func(s string) g.Node { return copied("JDBC", s, "JDBC URL") }),
		h.Dl(h.Class("why"), listen, socket, retries, failure),
	)
}
