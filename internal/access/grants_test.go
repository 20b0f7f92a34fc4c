package access

import (
	"errors"
	"reflect"
	"testing"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/proxy"
)

func TestGrants(t *testing.T) {
	g := &Grants{Session: func(role, identity string) string { return role + "/" + identity }}
	readOnly := []proxy.Setting{{Name: "default_transaction_read_only", Value: "on"}}
	g.Replace([]Entry{
		{Identity: "ada", DatabaseUsers: []string{"app", "reports"}, Role: "analyst"},
		{Identity: "*", DatabaseUsers: []string{"guest"}, Settings: readOnly},
		{Identity: "ci-*", DatabaseUsers: []string{"ci"}},
		{Identity: "ci-nightly-*", DatabaseUsers: []string{"nightly"}, Targets: []string{"Orders"}},
		{Identity: "*@example.com", DatabaseUsers: []string{"staff"}},
	})
	for name, test := range map[string]struct {
		identity, named, user, route string
		want                         proxy.Grant
		err                          error
	}{
		"a listed user":               {"ada", "reports", "reports", "orders", proxy.Grant{Role: "analyst", As: "analyst/ada"}, nil},
		"its own name":                {"ada", "ada", "ada", "orders", proxy.Grant{User: "app", Role: "analyst", As: "analyst/ada"}, nil},
		"the target's user":           {"ada", "ada", "app", "orders", proxy.Grant{Role: "analyst", As: "analyst/ada"}, nil},
		"the target's, not listed":    {"ada", "ada", "other", "orders", proxy.Grant{}, causes.DatabaseUserBarred},
		"a user that is not listed":   {"ada", "guest", "guest", "orders", proxy.Grant{}, causes.DatabaseUserBarred},
		"the longest pattern":         {"ci-nightly-7", "nightly", "nightly", "orders", proxy.Grant{}, nil},
		"of another target":           {"ci-nightly-7", "nightly", "nightly", "billing", proxy.Grant{}, causes.TargetBarred},
		"a shorter one":               {"ci-7", "ci", "ci", "billing", proxy.Grant{}, nil},
		"by its end":                  {"bob@example.com", "staff", "staff", "orders", proxy.Grant{}, nil},
		"everybody else":              {"eve", "guest", "guest", "orders", proxy.Grant{Settings: readOnly}, nil},
		"everybody else's other user": {"eve", "app", "app", "orders", proxy.Grant{}, causes.DatabaseUserBarred},
	} {
		got, err := g.Grant(proxy.Wanted{Identity: test.identity, Named: test.named, User: test.user, Route: test.route})
		if !reflect.DeepEqual(got, test.want) || !errors.Is(err, test.err) {
			t.Errorf("%s: %+v, %v; want %+v, %v", name, got, err, test.want, test.err)
		}
	}
}

// Where beginning and end overlap, an identity is too short to have both.
func TestPatternNeedsBothEnds(t *testing.T) {
	g := new(Grants)
	g.Replace([]Entry{{Identity: "aba*aba", DatabaseUsers: []string{"x"}}})
	for identity, want := range map[string]error{"abaaba": nil, "aba-aba": nil, "ababa": causes.IdentityUnknown, "aba": causes.IdentityUnknown} {
		if _, err := g.Grant(proxy.Wanted{Identity: identity, Named: "x", User: "x"}); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", identity, err, want)
		}
	}
}

func TestGrantsWithoutEntries(t *testing.T) {
	free, same := new(Grants), &Grants{Same: true}
	same.Replace([]Entry{{Identity: "x", DatabaseUsers: []string{"x"}}})
	same.Replace(nil)
	other := proxy.Wanted{Identity: "ada", Named: "bob", User: "bob"}
	if _, err := free.Grant(other); err != nil {
		t.Error(err)
	}
	if _, err := same.Grant(other); !errors.Is(err, causes.IdentityDiffers) {
		t.Errorf("%v, want %v", err, causes.IdentityDiffers)
	}
	listed := &Grants{Listed: true}
	if _, err := listed.Grant(proxy.Wanted{Identity: "ada", Named: "ada", User: "ada"}); !errors.Is(err, causes.IdentityUnknown) {
		t.Errorf("%v, want %v", err, causes.IdentityUnknown)
	}
	listed.Replace([]Entry{{Identity: "ada", DatabaseUsers: []string{"ada"}}})()
	if _, err := listed.Grant(proxy.Wanted{Identity: "ada", Named: "ada", User: "ada"}); !errors.Is(err, causes.IdentityUnknown) {
		t.Errorf("after undo: %v, want %v", err, causes.IdentityUnknown)
	}
	if _, err := same.Grant(proxy.Wanted{Identity: "ada", Named: "ada", User: "app_user"}); err != nil {
		t.Errorf("the user of a target: %v", err)
	}
}
