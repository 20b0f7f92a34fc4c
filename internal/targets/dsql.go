package targets

import (
	"cmp"
	"time"

	"github.com/pgkeyless/pgkeyless/auth"
	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/proxy"
)

// dsqlLifetime is how long DSQL lets a connection live, as a duration; a transaction that
// is under way then may end first. It is a variable for tests, which set it by the linker.
//
// Source: Aurora DSQL user guide, "Cluster quotas and database limits".
var dsqlLifetime = "60m"

// dsqlEarly is by how much less than that a connection may have lived whose end is DSQL's:
// the server counts from its own beginning.
const dsqlEarly = time.Minute

// asDSQL sets what is particular to a Route to an Aurora DSQL cluster. How TLS begins is
// remembered beyond the Route: a reload, or a look-up, makes another for the same endpoint.
func (w *Wiring) asDSQL(r *proxy.Route, t config.Target, e auth.Endpoint) {
	r.Database = cmp.Or(t.Database, config.DSQLDatabase)
	r.OnlyDatabase, r.ConfirmSettings, r.AskFirst = true, true, true
	if !t.Says("sslnegotiation") {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.begins[e.Host] == nil {
			w.begins[e.Host] = new(proxy.Negotiation)
		}
		r.Negotiation = w.begins[e.Host]
	}
	name := r.Name
	r.Ended = func(age time.Duration) error { return dsqlEnded(name, age) }
}

// dsqlEnded is why DSQL has ended a connection of that age, and nil where that is not known.
func dsqlEnded(name string, age time.Duration) error {
	lifetime, err := time.ParseDuration(dsqlLifetime)
	if err != nil || age < lifetime-min(dsqlEarly, lifetime/2) {
		return nil
	}
	return causes.DSQLSessionOver.New(causes.Facts{"database": name, "age": age.Round(time.Second).String()}, nil)
}

// UsualUser is whom clients of t log in as where nothing else is said, "" where only they
// know.
func (l Login) UsualUser(t config.Target) string {
	if l.Endpoint.Kind == auth.KindDSQL {
		return cmp.Or(t.User, config.DSQLUser)
	}
	return t.User
}

// UsualUser is Login.UsualUser for the Route of t, or whose password secret=managed is.
func UsualUser(t config.Target, r proxy.Route) string {
	if user := cmp.Or(r.User, t.UsualUser()); user != "" {
		return user
	}
	if p, ok := r.Passwords.(*Passwords); ok && p.held != nil { // managed: of the master user
		return p.User
	}
	if r.TLS == nil { // not looked up yet
		return ""
	}
	if e, err := auth.ParseEndpoint(r.TLS().ServerName); err == nil && e.Kind == auth.KindDSQL {
		return config.DSQLUser
	}
	return ""
}
