package targets

import (
	"crypto/tls"
	"errors"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/auth"
	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/proxy"
)

// Only a session that has lived for about an hour has been ended for that.
func TestDSQLEndsSessionsAfterAnHour(t *testing.T) {
	for age, want := range map[time.Duration]bool{
		0: false, 58*time.Minute + 59*time.Second: false, 59 * time.Minute: true, time.Hour: true, 65 * time.Minute: true, 24 * time.Hour: true,
	} {
		err := dsqlEnded("orders", age)
		if got := errors.Is(err, causes.DSQLSessionOver); got != want {
			t.Errorf("after %v: %v, want it to be said: %v", age, err, want)
		}
		if want && causes.SQLState(err) != "57P01" {
			t.Errorf("SQLSTATE %s", causes.SQLState(err))
		}
	}
}

// How TLS begins is remembered for an endpoint, whatever makes its Route anew, and left
// alone where somebody has said how.
func TestDSQLRemembersHowTLSBegins(t *testing.T) {
	w := New(nil, nil)
	e, err := auth.ParseEndpoint("abtkpcdmqncdwnx7z2tkqvbzmy.dsql.eu-west-1.on.aws")
	if err != nil {
		t.Fatal(err)
	}
	route := func(options string) (r proxy.Route) {
		target, _, err := config.LoadOne(config.Input{Targets: []string{e.Host + options}})
		if err != nil {
			t.Fatal(err)
		}
		w.asDSQL(&r, target, e)
		return r
	}
	first, again, said := route(""), route("?dbname=other"), route("?sslnegotiation=postgres")
	if first.Negotiation == nil || first.Negotiation != again.Negotiation || said.Negotiation != nil {
		t.Errorf("negotiations %p, %p and %p", first.Negotiation, again.Negotiation, said.Negotiation)
	}
	if first.Database != "postgres" || again.Database != "other" || !first.OnlyDatabase {
		t.Errorf("databases %q and %q, only one: %v", first.Database, again.Database, first.OnlyDatabase)
	}
}

// The endpoint of a cluster is public, one of PrivateLink is not.
func TestWayToDSQL(t *testing.T) {
	for host, public := range map[string]bool{"abc.dsql.eu-west-1.on.aws": true, "abc.dsql-fnh4.eu-west-1.on.aws": false} {
		e, err := auth.ParseEndpoint(host)
		if err != nil {
			t.Fatal(err)
		}
		way, err := Way(config.Target{Endpoint: host, Name: host}, Login{Endpoint: e})
		if (err == nil) != public || public && way.Via != config.ViaNone {
			t.Errorf("%s: via %q, %v", host, way.Via, err)
		}
	}
}

// A cluster that was named by its identifier is known by the endpoint that it was found
// to have.
func TestUsualUserOfDSQL(t *testing.T) {
	const endpoint = "abtkpcdmqncdwnx7z2tkqvbzmy.dsql.eu-west-1.on.aws"
	for _, test := range []struct{ user, host, want string }{
		{"", endpoint, "admin"}, {"app", endpoint, "app"}, {"", "orders.c1.eu-west-1.rds.amazonaws.com", ""}, {"", "", ""},
	} {
		target := config.Target{Ref: "abtkpcdmqncdwnx7z2tkqvbzmy"}
		r := proxy.Route{User: test.user, Address: "127.0.0.1:1"}
		if test.host != "" {
			r.TLS = func() *tls.Config { return &tls.Config{ServerName: test.host} }
		}
		if got := UsualUser(target, r); got != test.want {
			t.Errorf("%q at %q: %q, want %q", test.user, test.host, got, test.want)
		}
	}
}
