package proxy

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

func shared() directory {
	return directory{routes: []*served{
		{Route: Route{Name: "orders", Aliases: []string{host}}},
		{Route: Route{Name: "billing"}},
		{Route: Route{Name: "db.example.com"}},
	}}
}

func TestSharedListenerChoosesByName(t *testing.T) {
	none := ""
	for _, tt := range []struct {
		name                string
		sni, user, database string
		fallback            string // "" for none
		want                string
		wantUser, wantDB    string
	}{
		{"user", none, "app@orders", "app", none, "orders", "app", "app"},
		{"database", none, "app", "shop@billing", none, "billing", "app", "shop"},
		{"both, as libpq sends them", none, "app@orders", "app@orders", none, "orders", "app", "app"},
		{"any case", none, "app@ORDERS", "", none, "orders", "app", ""},
		{"the last @ counts", none, "ada@example.com@orders", "", none, "orders", "ada@example.com", ""},
		{"another name of it", none, "app@" + host, "", none, "orders", "app", ""},
		{"a name with dots", none, "app@db.example.com", "", none, "db.example.com", "app", ""},
		{"only the target", none, "app", "@billing", none, "billing", "app", ""},
		{"TLS server name", "billing.localhost", "app", "app", none, "billing", "app", "app"},
		{"TLS server name with a dot and capitals", "Billing.LocalHost.", "app", "", none, "billing", "app", ""},
		{"TLS server name of the endpoint", host, "app", "", none, "orders", "app", ""},
		{"TLS server name with dots", "db.example.com.localhost", "app", "", none, "db.example.com", "app", ""},
		{"TLS server name and user agree", "orders.localhost", "app@orders", "", none, "orders", "app", ""},
		{"TLS server name and another @", "orders.localhost", "ada@example.com", "", none, "orders", "ada@example.com", ""},
		{"user, and another @ in the database", none, "app@orders", "a@b", none, "orders", "app", "a@b"},
		{"nothing, one to fall back on", none, "app", "shop", "billing", "billing", "app", "shop"},
		{"localhost is no choice", "localhost", "app", "", "billing", "billing", "app", ""},
		{"another @, one to fall back on", none, "ada@example.com", "", "billing", "billing", "ada@example.com", ""},
		{"not the one to fall back on", none, "app@orders", "", "billing", "orders", "app", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := shared()
			if tt.fallback != "" {
				d.fallback = d.find(tt.fallback)
			}
			sent := startupMessage{version: 3 << 16, params: []param{{"user", tt.user}, {"application_name", "x@orders"}}}
			if tt.database != "" {
				sent.params = append(sent.params, param{"database", tt.database})
			}
			kept := slices.Clone(sent.params)
			c, err := d.choose(tt.sni, sent)
			if err != nil {
				t.Fatal(err)
			}
			r, m := c.route, c.wants
			if r.Name != tt.want || m.value("user") != tt.wantUser || m.value("database") != tt.wantDB || m.value("application_name") != "x@orders" {
				t.Errorf("%s with %v; want %s, user %q, database %q and the rest as it was", r.Name, m.params, tt.want, tt.wantUser, tt.wantDB)
			}
			if !slices.Equal(sent.params, kept) {
				t.Errorf("the client's parameters became %v", sent.params)
			}
		})
	}
}

func TestSharedListenerSaysWhatCanBeChosen(t *testing.T) {
	for _, tt := range []struct {
		name                string
		sni, user, database string
		fallback            bool
		want                string
	}{
		{"nothing named", "", "app", "app", false, "serves several targets"},
		{"host that names nothing", "localhost", "app", "", false, "serves several targets"},
		{"unknown behind the user", "", "app@ordesr", "", false, `no target "ordesr"`},
		{"unknown behind the database", "", "app", "app@ordesr", false, `no target "ordesr"`},
		{"nothing behind the @", "", "app@", "", false, "serves several targets"},
		{"unknown TLS server name", "ordesr.localhost", "app@orders", "", false, `no target "ordesr"`},
		{"unknown TLS server name, one to fall back on", "ordesr.localhost", "app", "", true, `no target "ordesr"`},
		{"user and database differ", "", "app@orders", "app@billing", true, `the user names the target "orders", and the database names "billing"`},
		{"TLS server name and user differ", "orders.localhost", "app@billing", "", true, `the TLS server name names the target "orders", and the user names "billing"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := shared()
			if tt.fallback {
				d.fallback = d.routes[1]
			}
			_, err := d.choose(tt.sni, startupMessage{params: []param{{"user", tt.user}, {"database", tt.database}}})
			var f *causes.Error
			if !errors.As(err, &f) || f.SQLState() != stateRejected || !strings.Contains(f.Error(), tt.want) || f.Hint() == "" {
				t.Fatalf("%#v, want 08004, %q and a hint", err, tt.want)
			}
			if !strings.Contains(f.Error(), "names") && f.Detail() != "the targets are orders, billing, db.example.com" {
				t.Errorf("detail %q does not list the targets", f.Detail())
			}
		})
	}
}

// TestUnknownTargetBehindAnAt has a route to fall back on. A word that names no
// route is a mistake, which must lead nowhere, unless it may be part of a user's
// name: then the database is asked, and the word is known to who explains its no.
func TestUnknownTargetBehindAnAt(t *testing.T) {
	for _, tt := range []struct {
		name                string
		own                 string // user of the route to fall back on
		sni, user, database string
		refused             string // the word that is; "-" for none
		unserved            string // what is known of a user that is passed on
	}{
		{"mistyped behind the user, who is replaced", "service", "", "app@ordesr", "", "ordesr", ""},
		{"mistyped, in capitals", "service", "", "app@ORDESR", "", "ORDESR", ""},
		{"mistyped, as libpq sends it", "service", "", "app@ordesr", "app@ordesr", "ordesr", ""},
		{"mistyped behind the user, a database beside it", "service", "", "app@ordesr", "shop", "ordesr", ""},
		{"mistyped behind the user, the database's known", "service", "", "app@ordesr", "shop@orders", "-", "ordesr"},
		{"nothing behind the user's @", "service", "", "app@", "", "", ""},
		{"mistyped behind the database", "", "", "app", "shop@ordesr", "ordesr", ""},
		{"mistyped behind the database, the user replaced", "service", "", "app", "shop@ordesr", "ordesr", ""},
		{"nothing behind the database's @", "", "", "app", "shop@", "", ""},
		{"mistyped behind the database, a user with an @", "", "", "ada@example.com", "shop@ordesr", "ordesr", ""},
		{"a user with an @", "", "", "ada@example.com", "shop", "-", "example.com"},
		{"a user with an @, as libpq sends it", "", "", "ada@example.com", "ada@example.com", "-", "example.com"},
		{"a user with two", "", "", "ada@example.com@ordesr", "", "-", "ordesr"},
		{"a user that ends in one", "", "", "app@", "", "-", ""},
		{"a user with an @, and the target", "", "", "ada@example.com@orders", "", "-", ""},
		{"a user with an @, and a TLS server name", "", "orders.localhost", "ada@example.com", "", "-", "example.com"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := shared()
			d.fallback = d.routes[1]
			d.fallback.User = tt.own
			m := startupMessage{version: 3 << 16, params: []param{{"user", tt.user}}}
			if tt.database != "" {
				m.params = append(m.params, param{"database", tt.database})
			}
			c, err := d.choose(tt.sni, m)
			if tt.refused != "-" {
				if err == nil {
					t.Fatalf("led to %s with %v", c.route.Name, c.wants.params)
				}
				want := "no target " + strconv.Quote(tt.refused) + " on this port"
				if state(err) != stateRejected || err.Error() != want || causes.Detail(err) != "the targets are orders, billing, db.example.com" || !strings.Contains(causes.Hint(err), "NAME@billing") {
					t.Errorf("%v (%s), detail %q, hint %q; want %q", err, state(err), causes.Detail(err), causes.Hint(err), want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if tt.unserved == "" && c.unserved != nil || tt.unserved != "" && (c.unserved == nil || *c.unserved != (unserved{tt.unserved, "orders, billing, db.example.com"})) {
				t.Errorf("unserved is %+v, want %q and the targets", c.unserved, tt.unserved)
			}
		})
	}
}

// A user that the route replaces is not the database's to refuse.
func TestReplacedUserIsNotExplained(t *testing.T) {
	d := shared()
	d.routes[0].User = "service"
	c, err := d.choose("orders.localhost", startupMessage{params: []param{{"user", "ada@example.com"}}})
	if err != nil || c.unserved != nil {
		t.Errorf("%+v, %v; want nothing known of the client's user", c.unserved, err)
	}
}
