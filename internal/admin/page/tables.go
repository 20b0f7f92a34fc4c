package page

import (
	"fmt"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"

	"github.com/pgkeyless/pgkeyless/internal/status"
)

// table is one with rows that narrow windows show as cards: labels and roles serve that.
func table(labelledBy, caption string, columns []string, rows g.Node) g.Node {
	return h.Div(h.Class("panel scroll"), h.TabIndex("0"), h.Role("group"), h.Aria("labelledby", labelledBy),
		h.Table(h.Class("rows"), h.Role("table"),
			h.Caption(g.Text(caption)),
			h.THead(h.Role("rowgroup"), h.Tr(h.Role("row"), g.Map(columns, func(s string) g.Node {
				return h.Th(h.Scope("col"), h.Role("columnheader"), g.Text(s))
			}))),
			h.TBody(h.Role("rowgroup"), rows),
		))
}

func row(key string, cells ...g.Node) g.Node {
	return h.Tr(h.Role("row"), h.Data("key", key), g.Group(cells))
}

// first is the cell that names its row.
func first(label string, content ...g.Node) g.Node {
	return h.Th(h.Scope("row"), h.Role("rowheader"), h.Data("label", label), g.Group(content))
}

func cell(label string, content ...g.Node) g.Node {
	return h.Td(h.Role("cell"), h.Data("label", label), g.Group(content))
}

func tunnels(v *view) g.Node {
	body := h.P(h.Class("none"), g.Text("None is open. A tunnel opens with the first client, and closes when it has been idle."))
	if len(v.Tunnels) > 0 {
		body = table("tunnels", "Each carries at most "+v.Ceiling()+" from the database, whatever the network: the agent sends no faster.",
			[]string{"Target", "Session", "State", "Streams", "Rate, of " + v.Ceiling(), "Round trip", "Age", "Resumes", "Sent again"},
			g.Map(v.Tunnels, tunnel.draw))
	}
	return h.Section(h.Aria("labelledby", "tunnels"), h.Data("key", "tunnels"), h.H2(h.ID("tunnels"), g.Text("SSM sessions")), body)
}

func (t tunnel) draw() g.Node {
	id := "starting"
	if t.ID != "" {
		id = line(t.ID)
	}
	agent := line(t.JumpHost)
	if t.Agent != "" {
		agent += ", agent " + line(t.Agent)
	}
	var silent, full g.Node
	if t.Silent != 0 {
		silent = small("silent for " + span(t.Silent))
	}
	if t.Full {
		full = h.Small(h.Class("warn"), g.Text("near its ceiling: raise "), h.Code(g.Text("sessions")), g.Text(" so that fewer connections share one"))
	}
	streams := soft("spare")
	if t.Streams != 0 {
		streams = number(t.Streams)
	}
	trip := "–"
	if t.Trip != 0 {
		trip = span(t.Trip)
	}
	bar := func(class, width string) g.Node {
		return g.El("rect", h.Class(class), h.Width(width), h.Height("5"))
	}
	return row(t.Key,
		first("Target", text(t.Target)),
		cell("Session", stack(h.Code(g.Text(id)), small(agent))),
		cell("State", stack(h.Span(text(t.State)), given(t.Retired, func(s string) g.Node { return small(line(s)) }), silent)),
		cell("Streams", streams),
		cell("Rate", h.Class("ssm-rate"), stack(
			h.Span(h.Class("num"), g.Text(rate(t.Now))),
			h.SVG(h.Class("gauge"+either(t.Full, " full", "")), viewBox("0 0 100 5"), stretched(), unspoken(), bar("rail", "100"), bar("fill", fmt.Sprintf("%.1f", t.Filled))),
			full)),
		cell("Round trip", g.Text(trip)),
		cell("Age", g.Text(span(t.Age))),
		cell("Resumes", g.Text(count(t.Resumes))),
		cell("Sent again", titled(exact(t.Resent), bytesOf(t.Resent))),
	)
}

func clients(v *view) g.Node {
	var total, why g.Node
	if len(v.Clients) > 0 {
		total = g.Group{g.Text(" "), h.Span(h.Class("n"), g.Text(count(v.All())))}
	}
	switch {
	case v.WrongToken:
		why = h.P(h.Class("none"), wording(split("The link that opened this page is not one of this run, so nothing can be disconnected here. `pgkeyless status` prints the link of now.")))
	case v.Token == "":
		why = h.P(h.Class("none"), wording(split("This page only shows. To disconnect clients, open the link that `pgkeyless status` prints, or run `pgkeyless disconnect ID`.")))
	}
	return h.Section(h.Aria("labelledby", "clients"), h.Data("key", "clients"),
		h.H2(h.ID("clients"), h.TabIndex("-1"), g.Text("Clients"), total), why, clientRows(v))
}

func clientRows(v *view) g.Node {
	if len(v.Shown) == 0 {
		return h.P(h.Class("none"), g.Text("Nobody is connected."))
	}
	who := "All connected clients"
	var more g.Node
	if v.Unshown > 0 {
		who = "The " + count(v.Listed()) + " busiest, and " + count(v.More()) + " more"
		more = h.P(h.Class("none"), g.Text("And "+count(v.More())+" more. "), h.Code(g.Text("pgkeyless status --json")), g.Text(" lists all."))
	}
	columns := []string{"ID", "User", "Database", "Target", "Application", "From", "State", "Since", "Carried", "Rate"}
	if v.Token != "" {
		columns = append(columns, "Action")
	}
	return g.Group{
		table("clients", who+". Active: the database owes an answer, or bytes keep moving.", columns, g.Map(v.Shown, func(c client) g.Node { return c.draw(v) })),
		more,
	}
}

func (c client) draw(v *view) g.Node {
	orDash := func(s string) g.Node {
		if s == "" {
			return g.Text("–")
		}
		return text(s)
	}
	user, application := soft("not yet known"), orDash(c.Application)
	if c.User != "" {
		user = text(c.User)
	}
	if c.Application != "" {
		application = h.Span(h.Class("cut"), h.Title(line(c.Application)), application)
	}
	from := line(c.From)
	if c.Via != "" {
		from += " via " + line(c.Via)
	}
	from += either(c.TLS, ", TLS", "")
	var action g.Node
	if v.Token != "" {
		action = cell("Action", disconnect(c, v.Token))
	}
	return row(fmt.Sprint("client-", c.ID),
		first("ID", g.Text(fmt.Sprint(c.ID))),
		cell("User", user),
		cell("Database", orDash(c.Database)),
		cell("Target", orDash(c.Target)),
		cell("Application", application),
		cell("From", stack(given(c.Peer, func(s string) g.Node { return h.Span(text(s)) }), small(from))),
		cell("State", state(c.Client)),
		cell("Since", v.time(c.Since)),
		cell("Carried", stack(titled(exact(c.Down)+" down", "↓ "+bytesOf(c.Down)), h.Small(h.Title(exact(c.Up)+" up"), g.Text("↑ "+bytesOf(c.Up))))),
		cell("Rate", stack(h.Span(g.Text("↓ "+rate(c.DownNow))), small("↑ "+rate(c.UpNow)))),
		action,
	)
}

// state is what a client does, and for how long it has been quiet.
func state(c status.Client) g.Node {
	mark := "◔ "
	switch c.State {
	case "active":
		mark = "● "
	case "idle":
		mark = "○ "
	}
	var quiet g.Node
	if c.Quiet >= 1 {
		quiet = g.Group{g.Text(" "), soft(span(c.Quiet))}
	}
	return h.Span(h.Span(h.Class("state "+line(c.State)), sign(mark), text(c.State)), quiet)
}

// disconnect asks before it does so.
func disconnect(c client, token string) g.Node {
	name := unseen(" " + c.Name)
	return h.Details(h.Class("end"),
		h.Summary(
			h.Span(h.Class("shut"), g.Text("Disconnect"), name),
			h.Span(h.Class("opened"), g.Text("Keep"), name),
		),
		h.Form(h.Method("post"), h.Action("/disconnect"),
			h.Input(h.Type("hidden"), h.Name("id"), h.Value(fmt.Sprint(c.ID))),
			h.Input(h.Type("hidden"), h.Name("token"), h.Value(token)),
			h.Button(h.Type("submit"), h.Class("danger"), g.Text("Disconnect now"), name),
		),
	)
}

func events(v *view) g.Node {
	body := h.P(h.Class("none"), g.Text("Nothing has happened that is worth a line: no failed login, no reload, no resumed session."))
	if len(v.Events) > 0 {
		body = h.Ol(h.Class("panel events"), g.Map(v.Events, func(e status.Event) g.Node { return event(v, e) }))
	}
	return h.Section(h.Aria("labelledby", "events"), h.Data("key", "events"), h.H2(h.ID("events"), g.Text("Events")), body)
}

func event(v *view, e status.Event) g.Node {
	var target, facts g.Node
	if e.Target != "" {
		target = g.Group{g.Text(" "), h.Span(h.Class("at"), text(e.Target))}
	}
	if len(e.Facts) > 0 {
		facts = h.Span(h.Class("factlist"), g.Map(e.Facts, func(f status.Fact) g.Node {
			return g.Group{g.Text(" "), h.Span(h.Class("fact"), soft(line(f.Name)), g.Text(" "+line(f.Value)))}
		}))
	}
	return h.Li(h.Data("key", iso(e.At)+" "+line(e.Text)),
		h.Span(h.Class("when"), v.time(e.At)),
		h.Span(h.Class("level "+line(e.Level)), text(e.Level)),
		h.Span(h.Class("what"), h.B(text(e.Text)), target, facts),
	)
}
