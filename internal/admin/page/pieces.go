package page

import (
	"strconv"
	"time"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"
)

// given is what draw makes of s, and nothing where s is empty.
func given(s string, draw func(string) g.Node) g.Node {
	if s == "" {
		return nil
	}
	return draw(s)
}

// either is yes where the condition holds, and no otherwise.
func either(condition bool, yes, no string) string {
	if condition {
		return yes
	}
	return no
}

// text is s as it is fit to be shown; code is the same, as code.
func text(s any) g.Node { return g.Text(line(s)) }
func code(s any) g.Node { return h.Code(text(s)) }

// soft is text that stays behind, small is a line of it, and unseen is for who hears the page.
func soft(s string) g.Node   { return h.Span(h.Class("soft"), g.Text(s)) }
func small(s string) g.Node  { return h.Small(g.Text(s)) }
func unseen(s string) g.Node { return h.Span(h.Class("unseen"), g.Text(s)) }

// sign is a character for the eye alone; a word beside it says the same.
func sign(s string) g.Node { return h.Span(unspoken(), g.Text(s)) }

func number(n int) g.Node        { return g.Text(strconv.Itoa(n)) }
func unspoken() g.Node           { return h.Aria("hidden", "true") }
func hidden() g.Node             { return g.Attr("hidden") }
func viewBox(s string) g.Node    { return g.Attr("viewBox", s) }
func stretched() g.Node          { return g.Attr("preserveAspectRatio", "none") }
func stack(all ...g.Node) g.Node { return h.Span(h.Class("stack"), g.Group(all)) }

// titled is text whose title says it exactly.
func titled(title, s string) g.Node { return h.Span(h.Title(title), g.Text(s)) }

// fact is a line of a list of facts.
func fact(name string, value ...g.Node) g.Node {
	return h.Div(h.Dt(g.Text(name)), h.Dd(value...))
}

// wide is a fact that takes the list's whole width.
func wide(name string, value ...g.Node) g.Node {
	return h.Div(h.Class("wide"), h.Dt(g.Text(name)), h.Dd(value...))
}

// joined is what draw makes of each, with a separator between.
func joined[T any](all []T, separator g.Node, draw func(T) g.Node) g.Node {
	var nodes g.Group
	for i, one := range all {
		if i > 0 {
			nodes = append(nodes, separator)
		}
		nodes = append(nodes, draw(one))
	}
	return nodes
}

// time is a moment, by the clock.
func (v *view) time(t time.Time) g.Node {
	return h.Time(h.DateTime(iso(t)), h.Title(full(t)), g.Text(clock(v.At, t)))
}

// wording is a text with its code.
func wording(all []words) g.Node {
	return g.Map(all, func(w words) g.Node {
		if w.Code {
			return h.Code(g.Text(w.Text))
		}
		return g.Text(w.Text)
	})
}

// copied is a text in a box with a button that copies it.
func copied(lead, s, what string) g.Node {
	return h.Div(h.Class("copy"),
		h.Span(h.Class("lead"), g.Text(lead)),
		h.Pre(h.TabIndex("0"), h.Role("group"), h.Aria("label", what), code(s)),
		h.Button(h.Type("button"), h.Class("copier"), h.Data("what", what), g.Text("Copy"), unseen(" "+what)),
	)
}

// draw makes the picture of a chart.
func (c chart) draw() g.Node {
	rule := func(class, y string) g.Node {
		return g.El("line", h.Class(class), g.Attr("x1", "0"), g.Attr("x2", "300"), g.Attr("y1", y), g.Attr("y2", y))
	}
	stroke := func(class, d string) g.Node { return g.El("path", h.Class(class), g.Attr("d", d)) }
	key := func(class, name string) g.Node {
		return h.Span(h.Class("key"), h.Span(h.Class(class), unspoken()), g.Text(name))
	}
	var history, says g.Group
	if c.Area != "" {
		history = g.Group{stroke("area", c.Area), stroke("edge", c.Edge), stroke("up", c.Line)}
	}
	if c.Quiet {
		says = g.Group{h.Span(g.Text("no traffic"))}
	} else {
		says = g.Group{key("k-down", "down"), key("k-up", "up"), h.Span(g.Text("peak " + c.Peak))}
	}
	return h.Figure(h.Class("chart"+either(c.Quiet, " still", "")),
		h.SVG(viewBox("0 0 300 60"), stretched(), h.Role("img"), h.Aria("label", c.Says), rule("grid", "4"), rule("grid", "32"), history, rule("floor", "60")),
		h.FigCaption(h.Span(g.Text(c.Covers)), says, h.Span(g.Text("now"))),
	)
}
