package page

import (
	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"
)

// icon is the page's icon, which is part of the page.
const icon = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E%3Crect width='32' height='32' rx='8' fill='%232f5fd0'/%3E" +
	"%3Cpath d='M6 16h7m6 0h7' stroke='white' stroke-width='3' stroke-linecap='round'/%3E%3Ccircle cx='16' cy='16' r='4.5' fill='none' stroke='white' stroke-width='3'/%3E%3C/svg%3E"

// head is the head of every page.
func head(title, nonce string, more ...g.Node) g.Node {
	return h.Head(
		h.Meta(h.Charset("utf-8")),
		h.Meta(h.Name("viewport"), h.Content("width=device-width, initial-scale=1")),
		h.Meta(h.Name("color-scheme"), h.Content("light dark")),
		h.TitleEl(g.Text(title)),
		g.Group(more),
		h.StyleEl(g.Attr("nonce", nonce), g.Raw(styleCSS)),
	)
}

// whole is the page with its frame, style and script.
func whole(v *view) g.Node {
	return h.Doctype(h.HTML(h.Lang("en"),
		head(v.Title, v.Nonce, h.Link(h.Rel("icon"), h.Href(icon))),
		h.Body(
			h.A(h.Class("skip"), h.Href("#main"), g.Text("Skip to the status")),
			h.Header(h.Class("frame"),
				h.Div(h.Class("top"),
					h.P(h.Class("brand"), logo(), g.Text("pgkeyless")),
					h.Div(h.Class("live"),
						h.Span(h.Class("pulse"), h.ID("pulse"), hidden()),
						g.Text(" "),
						h.Button(h.Type("button"), h.ID("pause"), hidden(), g.Text("Pause")),
						g.Text(" "),
						h.A(h.Class("button"), h.ID("refresh"), h.Href(v.Link()), g.Text("Refresh")),
					),
				),
				h.P(h.Class("gone"), h.ID("gone"), hidden()),
				h.P(h.Class("unseen"), h.ID("say"), h.Role("status"), h.Aria("live", "polite")),
			),
			h.Main(h.ID("main"), h.TabIndex("-1"), live(v)),
			h.Script(g.Attr("nonce", v.Nonce), g.Raw(scriptJS)),
		),
	))
}

// refusal is the page that says no.
func refusal(r Refusal, nonce string) g.Node {
	return h.Doctype(h.HTML(h.Lang("en"),
		head(r.Title+" · pgkeyless", nonce),
		h.Body(h.Main(h.Class("refusal"),
			h.H1(g.Text(r.Title)),
			g.Map(r.Paragraphs(), func(p []words) g.Node { return h.P(wording(p)) }),
		)),
	))
}

func logo() g.Node {
	return h.SVG(viewBox("0 0 32 32"), h.Width("24"), h.Height("24"), unspoken(),
		g.El("rect", h.Width("32"), h.Height("32"), g.Attr("rx", "8")),
		g.El("path", g.Attr("d", "M6 16h7m6 0h7")),
		g.El("circle", g.Attr("cx", "16"), g.Attr("cy", "16"), g.Attr("r", "4.5")),
	)
}

// live is all of the page that changes.
func live(v *view) g.Node {
	return h.Div(h.ID("live"), h.Data("title", v.Title),
		given(v.Notice, func(s string) g.Node { return h.P(h.Class("notice"), h.Data("key", "notice"), g.Text(s)) }),
		headline(v),
		problems(v),
		about(v),
		targets(v),
		tunnels(v),
		clients(v),
		events(v),
		h.P(h.Class("foot"), h.Data("key", "foot"),
			g.Text("As of "), v.time(v.At), g.Text(". Times are "+zone(v.At)+". The same as JSON: "), h.A(h.Href("/status.json"), g.Text("status.json")), g.Text(".")),
	)
}
