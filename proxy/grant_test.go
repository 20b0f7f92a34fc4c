package proxy

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// provenAs is a Proof that asks for nothing.
func provenAs(identity string) Proof {
	return proofFunc(func(context.Context, *Claim) (string, error) { return identity, nil })
}

func TestGrantChangesTheLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked Wanted
		var as [2]string
		r := newRig(t, func(c *databaseConn) { c.logIn(); c.untilTerminate() }, func(cfg *Config) {
			cfg.Proof = provenAs("ada")
			cfg.Grants = func(w Wanted) (Grant, error) {
				asked = w
				return Grant{User: "reports", Settings: []Setting{{"default_transaction_read_only", "on"}}, Role: "analyst", As: "analyst/ada"}, nil
			}
			route := cfg.Routes[0]
			cfg.Routes[0].As = func(role, identity string) (Route, error) {
				as = [2]string{role, identity}
				return route, nil
			}
		})
		c := r.dial()
		c.send(plainStartup)
		c.expect(join(authRequest(0), keyData(7, []byte("key7")), readyForQuery))
		if want := (Wanted{Identity: "ada", Named: "app_user", User: "app_user", Route: r.server.routes[0].Name}); asked != want {
			t.Errorf("asked for %+v, want %+v", asked, want)
		}
		if as != [2]string{"analyst", "ada"} {
			t.Errorf("the way of %q, want that of analyst for ada", as)
		}
		synctest.Wait()
		got := r.server.Sessions()
		if len(got) != 1 || got[0].User != "reports" || got[0].As != "analyst/ada" || got[0].ApplicationName != "ada" {
			t.Errorf("sessions %+v", got)
		}
		c.send(terminate)
		c.Close()
		r.stop()
	})
}

func TestWhoIsGrantedNothingReachesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, func(cfg *Config) {
			cfg.Proof = provenAs("ada")
			cfg.Grants = func(Wanted) (Grant, error) {
				return Grant{}, causes.IdentityUnknown.New(causes.Facts{"identity": "ada"}, nil)
			}
		})
		c := r.dial()
		c.send(plainStartup)
		if said := c.failed(); said['C'] != "28000" || said['M'] != "this proxy does not let ada in" {
			t.Errorf("the client got %q", said)
		}
		if n := len(r.db.addresses); n != 0 {
			t.Errorf("the database was dialled %d times", n)
		}
		c.Close()
		r.stop()
	})
}

// A Route that knows no roles does not serve with its own rights in their place.
func TestRoleThatARouteDoesNotKnow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, func(cfg *Config) {
			cfg.Proof = provenAs("ada")
			cfg.Grants = func(Wanted) (Grant, error) { return Grant{Role: "analyst"}, nil }
		})
		c := r.dial()
		c.send(plainStartup)
		if said := c.failed(); said['C'] != "08001" || !strings.Contains(said['M'], "no roles") {
			t.Errorf("the client got %q", said)
		}
		c.Close()
		r.stop()
	})
}

func TestLongIdentityAsApplicationName(t *testing.T) {
	s := &session{identity: "spiffe://example.org/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaéé"}
	got := s.signed(startupMessage{}).value("application_name")
	if len(got) > maxApplicationName || len(got) < maxApplicationName-1 {
		t.Errorf("%d bytes: %q", len(got), got)
	}
	if named := s.signed(startupMessage{params: []param{{"application_name", "mine"}}}).value("application_name"); named != "mine" {
		t.Errorf("the client's own name became %q", named)
	}
}

// What a Grant adds is a guard of the Route that is looked up, too: a pooler keeps it where it
// drops what clients send, and DSQL has to confirm it.
func TestGrantsGuardTheRouteThatIsFound(t *testing.T) {
	own, granted := Setting{"statement_timeout", "5000"}, Setting{"default_transaction_read_only", "on"}
	found := &Route{Name: "orders", Settings: []Setting{own}}
	for _, test := range []struct {
		guards, want []Setting
	}{
		{nil, []Setting{own}},
		{[]Setting{granted}, []Setting{own, granted}},
	} {
		got, err := (&session{guards: test.guards}).own(found)
		if err != nil || !slices.Equal(got.Settings, test.want) {
			t.Errorf("with guards %v: settings %v, %v, want %v", test.guards, got.Settings, err, test.want)
		}
	}
	if !slices.Equal(found.Settings, []Setting{own}) {
		t.Errorf("everybody's settings are %v now", found.Settings)
	}
}
