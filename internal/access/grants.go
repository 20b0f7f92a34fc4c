package access

import (
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/proxy"
)

// Entry says what clients with an identity may do.
type Entry struct {
	Identity      string // an exact one, or with one * in it all that are alike but there
	DatabaseUsers []string
	Targets       []string // none means all
	Settings      []proxy.Setting
	Role          string // ARN of the role that its logins assume; "" for none
}

// Grants maps identities to what they may do. Its methods are safe for concurrent use.
type Grants struct {
	// Session names the role session of an identity, for audits.
	Session func(role, identity string) string
	// Same demands that an identity logs in as the database user of that name, while
	// there are no entries.
	Same bool
	// Listed demands that an identity has an entry, also while there are none.
	Listed bool

	entries atomic.Pointer[entries]
}

// entries are those of one configuration.
type entries struct {
	exact    map[string]Entry
	patterns []pattern // the longest first
}

// pattern is an Entry for all identities that begin and end so.
type pattern struct {
	begin, end string
	Entry
}

func (p pattern) matches(identity string) bool {
	return len(identity) >= len(p.begin)+len(p.end) && strings.HasPrefix(identity, p.begin) && strings.HasSuffix(identity, p.end)
}

// Replace makes the Grants follow these entries from now on, until undo is called.
// Without any, every identity may do what it asks for, but for Same and Listed.
func (g *Grants) Replace(all []Entry) (undo func()) {
	before := g.entries.Load()
	undo = func() { g.entries.Store(before) }
	if len(all) == 0 {
		g.entries.Store(nil)
		return undo
	}
	now := &entries{exact: make(map[string]Entry, len(all))}
	for _, e := range all {
		if begin, end, ok := strings.Cut(e.Identity, "*"); ok {
			now.patterns = append(now.patterns, pattern{begin, end, e})
			continue
		}
		now.exact[e.Identity] = e
	}
	slices.SortStableFunc(now.patterns, func(a, b pattern) int { return len(b.Identity) - len(a.Identity) })
	g.entries.Store(now)
	return undo
}

// find returns the entry for an identity: its own, else the longest pattern.
func (e *entries) find(identity string) (Entry, bool) {
	if own, ok := e.exact[identity]; ok {
		return own, true
	}
	i := slices.IndexFunc(e.patterns, func(p pattern) bool { return p.matches(identity) })
	if i < 0 {
		return Entry{}, false
	}
	return e.patterns[i].Entry, true
}

// Grant is for proxy.Config.Grants.
func (g *Grants) Grant(w proxy.Wanted) (proxy.Grant, error) {
	facts := causes.Facts{
		"identity": w.Identity, "quoted identity": strconv.Quote(w.Identity), "quoted user": strconv.Quote(w.User), "quoted target": strconv.Quote(w.Route),
	}
	entries := g.entries.Load()
	if entries == nil {
		if g.Listed {
			return proxy.Grant{}, causes.IdentityUnknown.New(facts, nil)
		}
		if g.Same && w.Identity != w.Named {
			facts["quoted user"] = strconv.Quote(w.Named)
			return proxy.Grant{}, causes.IdentityDiffers.New(facts, nil)
		}
		return proxy.Grant{}, nil
	}
	e, ok := entries.find(w.Identity)
	if !ok {
		return proxy.Grant{}, causes.IdentityUnknown.New(facts, nil)
	}
	if len(e.Targets) > 0 && !slices.ContainsFunc(e.Targets, func(t string) bool { return strings.EqualFold(t, w.Route) }) {
		return proxy.Grant{}, causes.TargetBarred.New(facts, nil)
	}
	grant := proxy.Grant{Settings: e.Settings, Role: e.Role}
	switch {
	case slices.Contains(e.DatabaseUsers, w.User):
	case w.User == w.Identity && w.User == w.Named: // it names nobody but itself
		grant.User = e.DatabaseUsers[0]
	default:
		facts["users"] = strings.Join(e.DatabaseUsers, ", ")
		return proxy.Grant{}, causes.DatabaseUserBarred.New(facts, nil)
	}
	if e.Role != "" {
		grant.As = g.Session(e.Role, w.Identity)
	}
	return grant, nil
}
