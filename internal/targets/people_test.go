package targets

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/credentials"
	"github.com/pgkeyless/pgkeyless/internal/testenv"
	"github.com/pgkeyless/pgkeyless/proxy"
)

func TestPeopleShareNothingButTheirOwn(t *testing.T) {
	testenv.Isolate(t)
	w := New(slog.New(slog.DiscardHandler), new(credentials.Profiles))
	orders, billing := wireRoute(t, w, testenv.Target(testenv.Orders, nil)), wireRoute(t, w, testenv.Target(testenv.Billing, nil))
	const role = "arn:aws:iam::111122223333:role/analyst"
	ada, err := orders.As(role, "ada")
	if err != nil {
		t.Fatal(err)
	}
	if ada.Address != orders.Address || ada.Dialer == orders.Dialer {
		t.Errorf("ada's way to %s, with the shared Dialer: %v", ada.Address, ada.Dialer == orders.Dialer)
	}
	for name, test := range map[string]struct {
		as     func(role, identity string) (proxy.Route, error)
		person string
		same   bool
	}{
		"herself again":                 {orders.As, "ada", true},
		"another database behind it":    {billing.As, "ada", true},
		"another person":                {orders.As, "bob", false},
		"another person, also a prefix": {orders.As, "ad", false},
	} {
		got, err := test.as(role, test.person)
		if err != nil || (got.Dialer == ada.Dialer) != test.same {
			t.Errorf("%s: the same Dialer is %v, %v; want %v", name, got.Dialer == ada.Dialer, err, test.same)
		}
	}
	if n := len(w.people); n != 3 {
		t.Errorf("%d people, want 3", n)
	}
	w.End(t.Context())
}

// The password of who has been away for long is forgotten, whoever holds the secret still.
func TestPasswordsOfPeopleWhoStayAway(t *testing.T) {
	testenv.Isolate(t)
	w := New(slog.New(slog.DiscardHandler), new(credentials.Profiles))
	now := time.Now()
	ada := credentials.Assumed{Role: "arn:aws:iam::111122223333:role/analyst", Person: "ada"}
	key := personKey{Assumed: ada}
	w.people[key] = &person{used: now.Add(-personAway)}
	p := passwordsFrom(t, w, new(manager), "orders/app", key)
	if _, err := p.Password(t.Context(), "app"); err != nil || p.Secret().Last().Version == "" {
		t.Fatalf("version %q, %v", p.Secret().Last().Version, err)
	}
	bob := ada
	bob.Person = "bob"
	w.person("", aws.Config{}, bob, now)
	if p.Secret().Last().Version != "" || len(w.secrets) != 0 {
		t.Errorf("the password is still in memory; %d secrets are kept", len(w.secrets))
	}
}

// Who has been away for long leaves nothing behind, and takes no total away.
func TestPeopleWhoStayAway(t *testing.T) {
	testenv.Isolate(t)
	synctest.Test(t, func(t *testing.T) {
		w := New(slog.New(slog.DiscardHandler), new(credentials.Profiles))
		r := wireRoute(t, w, testenv.Target(testenv.Orders, func(o *config.Options) { o.Via = "i-01234567" }))
		for i := range 50 {
			if _, err := r.As("arn:aws:iam::111122223333:role/analyst", string(rune('A'+i))); err != nil {
				t.Fatal(err)
			}
			time.Sleep(personAway / 10)
		}
		if len(w.people) > 11 || len(w.tunnels) > 12 {
			t.Errorf("%d people and %d Dialers are kept", len(w.people), len(w.tunnels))
		}
		if len(w.people) < 10 {
			t.Errorf("%d people are kept, want all of the last two hours", len(w.people))
		}
		w.End(t.Context())
	})
}
