package proxy

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// localSuffix ends the TLS server names that choose a Route on a shared
// listener: systems resolve all of .localhost to this machine.
//
// Source: RFC 6761, section 6.3.
const localSuffix = ".localhost"

// directory finds the Route that a client of a shared listener means. It is for
// one login and changes nothing.
type directory struct {
	routes []*served
	// fallback serves clients that name no Route; nil when they must name one.
	fallback *served
}

// find returns the Route whose name, or one of its other names, is name in any
// case; nil when there is none.
func (d directory) find(name string) *served {
	for _, r := range d.routes {
		if strings.EqualFold(r.Name, name) || slices.ContainsFunc(r.Aliases, func(a string) bool { return strings.EqualFold(a, name) }) {
			return r
		}
	}
	return nil
}

// choice is what a client of a shared listener has chosen.
type choice struct {
	route *served
	wants startupMessage // the client's, without what named the Route
	// unserved is nil, unless the database gets to see a user that ends in @WORD,
	// where WORD names no Route.
	unserved *unserved
}

// unserved is a word that may have been meant for a Route.
type unserved struct {
	word   string
	served string // the names there are
}

// choose says which Route is meant by a client that sent m and, in its TLS, the
// server name sni ("" without).
//
// A Route is named by sni, TARGET.localhost or a Route's own name; by user
// USER@TARGET; or by database DBNAME@TARGET, where what follows the last @
// counts. All that name one must agree. What follows the @ of a user or database
// is left alone when it is no Route's name and another name has chosen: names may
// hold an @. When nothing has chosen, see fallBack.
func (d directory) choose(sni string, m startupMessage) (choice, error) {
	chosen, by, err := d.byServerName(sni)
	if err != nil {
		return choice{}, err
	}
	unknown := map[string]string{} // by where they stand
	for _, name := range []string{"user", "database"} {
		value := m.value(name)
		i := strings.LastIndexByte(value, '@')
		if i < 0 {
			continue
		}
		r := d.find(value[i+1:])
		switch {
		case r == nil:
			unknown[name] = value[i+1:]
			continue
		case chosen != nil && chosen != r:
			return choice{}, causes.TargetsDiffer.New(causes.Facts{
				"one": by, "quoted target": strconv.Quote(chosen.Name), "other": name, "quoted other": strconv.Quote(r.Name),
			}, nil)
		}
		chosen, by = r, name
		m.params = named(m.params, name, value[:i])
	}
	if chosen == nil {
		if chosen, err = d.fallBack(m, unknown); err != nil {
			return choice{}, err
		}
	}
	c := choice{route: chosen, wants: m}
	if word := unknown["user"]; word != "" && chosen.User == "" {
		c.unserved = &unserved{word, d.names()}
	}
	return c, nil
}

// fallBack is the Route for a client that has named none. unknown are the words
// behind the last @ of its user and database, none of which is a Route's name.
//
// Such a word is taken for a mistake, which must not lead to another database than
// the one meant. Only a user that the database gets to see may end so, as
// ada@example.com does: the database knows its users. It never sees the client's
// where the Route has a user of its own. A database may not, unless it is the
// user's name: libpq takes that for want of another.
func (d directory) fallBack(m startupMessage, unknown map[string]string) (*served, error) {
	user, inUser := unknown["user"]
	database, inDatabase := unknown["database"]
	switch {
	case d.fallback == nil && cmp.Or(user, database) == "":
		return nil, d.missing()
	case d.fallback == nil:
		return nil, d.unknown(cmp.Or(user, database), nil)
	case inUser && d.fallback.User != "":
		return nil, d.unknown(user, d.fallback)
	case inDatabase && (!inUser || m.value("database") != m.value("user")):
		return nil, d.unknown(database, d.fallback)
	}
	return d.fallback, nil
}

// byServerName chooses by what the client's TLS names, which is nothing for most
// clients: host names such as localhost are no choice.
func (d directory) byServerName(sni string) (r *served, by string, err error) {
	sni = strings.ToLower(strings.TrimSuffix(sni, "."))
	name, local := strings.CutSuffix(sni, localSuffix)
	r = d.find(name)
	if r == nil && local {
		return nil, "", d.unknown(name, nil)
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

// unknown refuses name, which is no Route's. meant, unless nil, is the Route of those
// whose name has an @ of its own.
func (d directory) unknown(name string, meant *served) error {
	facts := causes.Facts{"quoted word": strconv.Quote(name), "targets": d.names()}
	if meant != nil {
		facts["default"] = meant.Name
	}
	return causes.NoSuchTarget.New(facts, nil)
}

func (d directory) missing() error {
	return causes.NoTarget.New(causes.Facts{"targets": d.names()}, nil)
}

// names are those of the Routes, for people.
func (d directory) names() string {
	names := make([]string, len(d.routes))
	for i, r := range d.routes {
		names[i] = r.Name
	}
	return strings.Join(names, ", ")
}
