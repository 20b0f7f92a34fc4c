package proxy

import (
	"fmt"
	"slices"
	"strings"
)

// localSuffix ends the TLS server names that choose a Route on a shared
// listener: systems resolve all of .localhost to this machine.
//
// Source: RFC 6761, section 6.3.
const localSuffix = ".localhost"

// directory finds the Route that a client of a shared listener means. It is for
// one login and changes nothing.
type directory struct {
	routes []*Route
	// fallback serves clients that name no Route; nil when they must name one.
	fallback *Route
}

// find returns the Route whose name, or one of its other names, is name in any
// case; nil when there is none.
func (d directory) find(name string) *Route {
	for _, r := range d.routes {
		if strings.EqualFold(r.Name, name) || slices.ContainsFunc(r.Aliases, func(a string) bool { return strings.EqualFold(a, name) }) {
			return r
		}
	}
	return nil
}

// choose says which Route is meant by a client that sent m and, in its TLS, the
// server name sni ("" without). It returns m without what named the Route.
//
// A Route is named by sni, TARGET.localhost or a Route's own name; by user
// USER@TARGET; or by database DBNAME@TARGET, where what follows the last @
// counts. All that name one must agree. What follows the @ of a user or database
// is left alone when it is no Route's name and there is a fallback, or another
// name has chosen: names may hold an @.
func (d directory) choose(sni string, m startupMessage) (*Route, startupMessage, error) {
	chosen, by, err := d.byServerName(sni)
	if err != nil {
		return nil, m, err
	}
	unknown := ""
	for _, name := range []string{"user", "database"} {
		value := m.value(name)
		i := strings.LastIndexByte(value, '@')
		if i < 0 {
			continue
		}
		r := d.find(value[i+1:])
		switch {
		case r == nil:
			unknown = value[i+1:]
			continue
		case chosen != nil && chosen != r:
			return nil, m, &failure{
				state: stateRejected,
				what:  fmt.Sprintf("the %s names the target %q, and the %s names %q", by, chosen.Name, name, r.Name),
				hint:  "name one target",
			}
		}
		chosen, by = r, name
		m.params = named(m.params, name, value[:i])
	}
	switch {
	case chosen != nil:
		return chosen, m, nil
	case d.fallback != nil:
		return d.fallback, m, nil
	case unknown != "":
		return nil, m, d.unknown(unknown)
	}
	return nil, m, d.missing()
}

// byServerName chooses by what the client's TLS names, which is nothing for most
// clients: host names such as localhost are no choice.
func (d directory) byServerName(sni string) (r *Route, by string, err error) {
	sni = strings.ToLower(strings.TrimSuffix(sni, "."))
	name, local := strings.CutSuffix(sni, localSuffix)
	r = d.find(name)
	if r == nil && local {
		return nil, "", d.unknown(name)
	}
	return r, "TLS server name", nil
}

// named returns params with value for name, and without name when value is
// empty: PostgreSQL's rule for what is not given applies then.
func named(params []param, name, value string) []param {
	if value != "" {
		return with(params, name, value)
	}
	return slices.DeleteFunc(slices.Clone(params), func(p param) bool { return p.name == name })
}

const choiceHint = "name the target behind the user (USER@TARGET) or the database (DBNAME@TARGET), or connect with TLS to the host TARGET" + localSuffix

func (d directory) unknown(name string) error {
	return &failure{
		state:  stateRejected,
		what:   fmt.Sprintf("no target %q on this port", name),
		detail: d.list(),
		hint:   choiceHint,
	}
}

func (d directory) missing() error {
	return &failure{
		state:  stateRejected,
		what:   "this port leads to several targets, and the client names none",
		detail: d.list(),
		hint:   choiceHint,
	}
}

func (d directory) list() string {
	names := make([]string, len(d.routes))
	for i, r := range d.routes {
		names[i] = r.Name
	}
	return "the targets are " + strings.Join(names, ", ")
}
