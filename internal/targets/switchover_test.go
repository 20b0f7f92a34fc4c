package targets

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pgkeyless/pgkeyless/auth"
	"github.com/pgkeyless/pgkeyless/internal/credentials"
	"github.com/pgkeyless/pgkeyless/internal/testenv"
	"github.com/pgkeyless/pgkeyless/proxy"
)

const (
	greenOrders  = "orders-green-a1b2c3.c9akciq32abc.eu-central-1.rds.amazonaws.com"
	globalOrders = "orders.global-c9akciq32abc.global.rds.amazonaws.com"
)

var pamRefused = proxy.Refusal{User: "u", SQLState: "28000", Message: `PAM authentication failed for user "u"`}

// signerAt is a signer for host, whose look-up is explore.
func signerAt(t *testing.T, host string, explore func() ([]auth.Endpoint, error)) signer {
	t.Helper()
	testenv.Isolate(t)
	t.Setenv("AWS_REGION", "eu-central-1")
	w := New(slog.New(slog.DiscardHandler), new(credentials.Profiles))
	l, err := NewLogin(t.Context(), w.Profiles, testenv.Target(host, nil))
	if err != nil {
		t.Fatal(err)
	}
	l.switchover = newSwitchover(l, "", slog.New(slog.DiscardHandler))
	l.switchover.explore = func(context.Context) ([]auth.Endpoint, error) { return explore() }
	return signer{l.switchover, l}
}

// signedFor is what s signs tokens for.
func signedFor(t *testing.T, tokens proxy.TokenSource) string {
	t.Helper()
	token, err := tokens.Token(t.Context(), "u")
	if err != nil {
		t.Fatal(err)
	}
	words := token.Reveal()
	host, _, _ := strings.Cut(words, "?")
	_, scope, _ := strings.Cut(words, "X-Amz-Credential=")
	return strings.TrimSuffix(host, "/") + " " + strings.Split(scope, "%2F")[2]
}

func at(t *testing.T, host, region string) auth.Endpoint {
	t.Helper()
	e, err := auth.ParseEndpoint(host)
	if err != nil {
		t.Fatal(err)
	}
	return e.InRegion(region)
}

func nothing() ([]auth.Endpoint, error) { return nil, nil }

func TestRefusedTokenIsSignedForTheOtherName(t *testing.T) {
	for _, test := range []struct {
		name, host string
		found      auth.Endpoint
		want       string
	}{
		{"a green environment's name, after the switchover", greenOrders, auth.Endpoint{}, testenv.Orders + ":5432 eu-central-1"},
		{"the usual name, before it is over", testenv.Orders, at(t, greenOrders, ""), greenOrders + ":5432 eu-central-1"},
		{"a global database, whose writer has moved", globalOrders, at(t, globalOrders, "us-east-1"), globalOrders + ":5432 us-east-1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := signerAt(t, test.host, func() ([]auth.Endpoint, error) {
				if test.found.Host == "" {
					return nil, nil
				}
				return []auth.Endpoint{test.found}, nil
			})
			first := test.host + ":5432 eu-central-1"
			if got := signedFor(t, s); got != first {
				t.Errorf("signed for %s at first, want %s", got, first)
			}
			other, ok := s.alternative(t.Context(), pamRefused, time.Now())
			if !ok || signedFor(t, other.Tokens) != test.want {
				t.Fatalf("alternative %+v, %v, want tokens for %s", other, ok, test.want)
			}
			if got := signedFor(t, s); got != first {
				t.Errorf("signed for %s before the database has accepted it", got)
			}
			other.Keep()
			if got := signedFor(t, s); got != test.want {
				t.Errorf("signed for %s after that, want %s", got, test.want)
			}
			back, ok := s.alternative(t.Context(), pamRefused, time.Now())
			if !ok || signedFor(t, back.Tokens) != first {
				t.Errorf("alternative to the other one %+v, %v, want %s again", back, ok, first)
			}
		})
	}
}

// Of two logins that are refused at the same time, the second takes what the first one has
// found, and not what was refused to both.
func TestSecondOfTwoTakesWhatTheFirstHasFound(t *testing.T) {
	s := signerAt(t, testenv.Orders, func() ([]auth.Endpoint, error) { return []auth.Endpoint{at(t, greenOrders, "")}, nil })
	both := time.Now().Add(-time.Second)
	first, ok := s.alternative(t.Context(), pamRefused, both)
	if !ok {
		t.Fatal("nothing for the first login")
	}
	first.Keep()
	second, ok := s.alternative(t.Context(), pamRefused, both)
	if want := greenOrders + ":5432 eu-central-1"; !ok || signedFor(t, second.Tokens) != want {
		t.Errorf("the second login is offered %+v, %v, want %s", second, ok, want)
	}
	second.Keep()
	if third, ok := s.alternative(t.Context(), pamRefused, time.Now()); !ok || signedFor(t, third.Tokens) != testenv.Orders+":5432 eu-central-1" {
		t.Errorf("a login that began later is offered %+v, %v, want the first name again", third, ok)
	}
}

// A target that is looked up again keeps what was found, as long as it is where it was.
func TestLookingUpAgainKeepsWhatWasFound(t *testing.T) {
	testenv.Isolate(t)
	w := New(slog.New(slog.DiscardHandler), new(credentials.Profiles))
	target := testenv.Target(testenv.Orders, nil)
	l, err := NewLogin(t.Context(), w.Profiles, target)
	if err != nil {
		t.Fatal(err)
	}
	first := w.switchoverOf(l, target)
	if again := w.switchoverOf(l, target); again != first {
		t.Error("forgotten at the next look-up")
	}
	l.Endpoint = l.Endpoint.InRegion("us-east-1")
	if moved := w.switchoverOf(l, target); moved == first || moved.signs.Region != "us-east-1" {
		t.Errorf("a database that has moved is signed for as %+v", moved.signs)
	}
}

func TestNoAlternativeWithoutReason(t *testing.T) {
	other := func() ([]auth.Endpoint, error) { return []auth.Endpoint{at(t, greenOrders, "")}, nil }
	for _, test := range []struct {
		name    string
		said    proxy.Refusal
		explore func() ([]auth.Endpoint, error)
	}{
		{"nothing else is known", pamRefused, nothing},
		{"AWS does not say", pamRefused, func() ([]auth.Endpoint, error) { return nil, errors.New("access denied") }},
		{"AWS names the endpoint itself", pamRefused, func() ([]auth.Endpoint, error) { return []auth.Endpoint{at(t, testenv.Orders, "")}, nil }},
		{"a wrong password", proxy.Refusal{User: "u", SQLState: "28P01", Message: `password authentication failed for user "u"`}, other},
		{"another way to log in", proxy.Refusal{User: "u", Asked: "a SCRAM password"}, other},
		{"no such database", proxy.Refusal{User: "u", SQLState: "3D000", Message: `database "x" does not exist`}, other},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := signerAt(t, testenv.Orders, test.explore)
			if other, ok := s.alternative(t.Context(), test.said, time.Now()); ok {
				t.Errorf("alternative %s, want none", other.For)
			}
		})
	}
}

// Clients that are refused come back: AWS is asked once for all of them, and what it has
// named stays, since after a switchover it names it no more.
func TestSwitchoverIsLookedUpOnceInAWhile(t *testing.T) {
	asked, named := 0, []auth.Endpoint{at(t, greenOrders, "")}
	s := signerAt(t, testenv.Orders, func() ([]auth.Endpoint, error) { asked++; return named, nil })
	synctest.Test(t, func(t *testing.T) {
		s.about.asking = make(chan struct{}, 1) // of this bubble
		for range 5 {
			s.alternative(t.Context(), pamRefused, time.Now())
		}
		if asked != 1 {
			t.Errorf("AWS asked %d times, want once", asked)
		}
		named = nil
		time.Sleep(lookupPause)
		if other, ok := s.alternative(t.Context(), pamRefused, time.Now()); !ok || !strings.HasPrefix(other.For, greenOrders) || asked != 2 {
			t.Errorf("after a while: %+v, %v, asked %d times; want the name of before, and twice", other, ok, asked)
		}
	})
}
