package targets

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/credentials"
	"github.com/pgkeyless/pgkeyless/internal/discover"
	"github.com/pgkeyless/pgkeyless/internal/testenv"
)

// aliasWiring has a DNS of its own.
func aliasWiring(log *bytes.Buffer, aliases discover.Aliases) *Wiring {
	w := New(slog.New(slog.NewTextHandler(log, nil)), new(credentials.Profiles))
	w.aliases = aliases
	return w
}

// TestCNAMEIsSignedAndVerifiedAsTheEndpoint names a database by a CNAME: what is
// dialled, signed for and verified is the endpoint.
func TestCNAMEIsSignedAndVerifiedAsTheEndpoint(t *testing.T) {
	testenv.Isolate(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLEEXAMPLE00")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	var log bytes.Buffer
	w := aliasWiring(&log, func(_ context.Context, host string) ([]string, error) {
		if host != "orders.corp.example" {
			t.Errorf("asked for %q", host)
		}
		return []string{"db.internal.example", testenv.Orders, "ec2-10-0-0-1.eu-central-1.compute.amazonaws.com"}, nil
	})
	r := wireRoute(t, w, testenv.Target("Orders.corp.example:6543", nil))
	r.Name = "Orders.corp.example"
	if got, want := MeaningOf(r), ", which is "+testenv.Orders; got != want {
		t.Errorf("the ready line says %q, want %q", got, want)
	}
	if !strings.Contains(log.String(), "the name is a CNAME") || !strings.Contains(log.String(), testenv.Orders+":6543") {
		t.Errorf("the log says %q", log.String())
	}
	found, err := r.Resolve(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	if got := found.TLS().ServerName; got != testenv.Orders || found.Address != testenv.Orders+":6543" {
		t.Errorf("certificate checked for %s at %s, want %s at its port 6543", got, found.Address, testenv.Orders)
	}
	if token, err := found.Tokens.Token(t.Context(), "ada"); err != nil || !strings.HasPrefix(token.Reveal(), testenv.Orders+":6543") {
		t.Errorf("token for %.40s…, %v; want one for %s", token, err, testenv.Orders)
	}
}

func TestCustomNamesThatLeadNowhere(t *testing.T) {
	testenv.Isolate(t)
	for _, test := range []struct {
		name  string
		chain []string
		err   error
		final string // part of the error that ends the start; "" for a warning
	}{
		{"unknown", nil, &net.DNSError{Err: "no such host", IsNotFound: true}, "DNS does not know it"},
		{"no CNAME", nil, nil, "no CNAME of one"},
		{"elsewhere", []string{"db.example.net"}, nil, "another name of db.example.net"},
		{"no DNS now", nil, &net.DNSError{Err: "server misbehaving", IsTemporary: true}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			var log bytes.Buffer
			chain, failure := test.chain, test.err
			w := aliasWiring(&log, func(context.Context, string) ([]string, error) { return chain, failure })
			r, err := w.Route(t.Context(), testenv.Target("orders.corp.example", nil))
			if test.final != "" {
				if err == nil || !strings.Contains(err.Error(), test.final) || causes.Hint(err) == "" {
					t.Errorf("got %v, want %q", err, test.final)
				}
				return
			}
			if err != nil || !strings.Contains(log.String(), "database not found yet") || MeaningOf(r) != ", not looked up yet" {
				t.Fatalf("got %v, log %q", err, log.String())
			}
			if _, err := r.Resolve(t.Context(), false); err == nil || !strings.Contains(err.Error(), "server misbehaving") {
				t.Errorf("a client is told %v", err)
			}
			chain, failure = []string{testenv.Orders}, nil
			if found, err := r.Resolve(t.Context(), true); err != nil || found.Address != testenv.Orders+":5432" {
				t.Errorf("with DNS back: %v, %v", found.Address, err)
			}
		})
	}
}

// A database that is found while a reload fails has its password from the memory that is
// kept: the reload's own is closed, and would be read for each login.
func TestRouteFoundDuringAReloadThatFails(t *testing.T) {
	testenv.Isolate(t)
	var log bytes.Buffer
	var chain []string
	w := aliasWiring(&log, func(context.Context, string) ([]string, error) {
		if chain == nil {
			return nil, &net.DNSError{Err: "server misbehaving", IsTemporary: true}
		}
		return chain, nil
	})
	target := func(endpoint string) config.Target {
		return testenv.Target(endpoint, func(o *config.Options) { o.Secret, o.User, o.Via = "orders/app", "app", config.ViaNone })
	}
	before := wireRoute(t, w, target(testenv.Orders)).Passwords.(*Passwords).Secret()
	r := wireRoute(t, w, target("orders.corp.example"))
	_, undo := w.SetSecretsAside()
	chain = []string{testenv.Orders}
	found, err := r.Resolve(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	p := found.Passwords.(*Passwords)
	if p.Secret() == before {
		t.Error("the reload does not read the secret again")
	}
	undo()
	if p.Secret() != before {
		t.Error("the route has a secret of its own, which is closed")
	}
}

// TestKeptAnswerOutlastsDNS keeps an answer that cannot be had anew.
func TestKeptAnswerOutlastsDNS(t *testing.T) {
	testenv.Isolate(t)
	var log bytes.Buffer
	asked := 0
	l := &late{
		w: aliasWiring(&log, func(context.Context, string) ([]string, error) {
			if asked++; asked > 1 {
				return nil, errors.New("no network")
			}
			return []string{testenv.Orders}, nil
		}),
		target: testenv.Target("orders.corp.example", nil), asking: make(chan struct{}, 1),
	}
	resolve := func(stale bool, want int) {
		t.Helper()
		if r, err := l.resolve(t.Context(), stale); err != nil || r.Address != testenv.Orders+":5432" {
			t.Errorf("got %v, %v", r.Address, err)
		}
		if asked != want {
			t.Errorf("asked %d times, want %d", asked, want)
		}
	}
	resolve(false, 1)
	resolve(true, 1) // so soon, once more is no use
	l.asked = l.asked.Add(-lookupPause)
	resolve(false, 1)
	resolve(true, 2)
	resolve(true, 2)
}

// TestLookUpWaitsForAPerson has one who needs longer for a code than a look-up may
// take. Clients hear what came of it, or what they would have waited for.
func TestLookUpWaitsForAPerson(t *testing.T) {
	dir := testenv.Isolate(t)
	text := "[profile base]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = example\n" +
		"[profile mfa]\nrole_arn = arn:aws:iam::123456789012:role/mfa\nsource_profile = base\nmfa_serial = arn:aws:iam::123456789012:mfa/ada\nregion = eu-central-1\n"
	if err := os.WriteFile(filepath.Join(dir, "config"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		const longer = 3 * lookupTimeout
		profiles := &credentials.Profiles{People: credentials.People{MFACode: func(context.Context, credentials.MFAQuestion) (string, error) {
			time.Sleep(longer)
			return "", errors.New("the phone is lost")
		}}}
		l := &late{
			w:      New(slog.New(slog.DiscardHandler), profiles),
			target: config.Target{Ref: "orders", Name: "orders", Options: config.Options{Via: testenv.Jump, Profile: "mfa"}},
			asking: make(chan struct{}, 1),
		}
		began := time.Now()
		var clients sync.WaitGroup
		for _, test := range []struct {
			patience time.Duration
			cause    string
		}{
			{2 * longer, causes.MFAUnanswered.Name},
			{longer / 2, causes.MFAWaiting.Name},
		} {
			ctx, cancel := context.WithTimeout(t.Context(), test.patience)
			defer cancel()
			clients.Go(func() {
				_, err := l.resolve(ctx, false)
				took := time.Since(began)
				if known, ok := credentials.Blamed(err); !ok || known.Cause() != test.cause || took != min(test.patience, longer) {
					t.Errorf("a client of %v: after %v %v, want %s", test.patience, took, err, test.cause)
				}
			})
			synctest.Wait()
		}
		clients.Wait()
	})
}

// TestSlowLookUpAtTheStart has DNS hang: the start says what it waits for, and
// goes on without an answer; a signal ends it without a warning.
func TestSlowLookUpAtTheStart(t *testing.T) {
	testenv.Isolate(t)
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		w := aliasWiring(&log, func(ctx context.Context, _ string) ([]string, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		began := time.Now()
		if _, err := w.Route(t.Context(), testenv.Target("orders.corp.example", nil)); err != nil || time.Since(began) <= startupSilence || time.Since(began) > startupPatience {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		if said := log.String(); strings.Count(said, "still looking for the database") != 1 || strings.Count(said, "database not found yet") != 1 {
			t.Errorf("the log says %q", said)
		}
		log.Reset()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second) // as a signal would
		defer cancel()
		if _, err := w.Route(ctx, testenv.Target("orders.corp.example", nil)); !errors.Is(err, context.DeadlineExceeded) || log.Len() > 0 {
			t.Errorf("ended at once: %v, and the log says %q", err, log.String())
		}
	})
}

func TestNamesInNeedOfALookUp(t *testing.T) {
	for name, test := range map[string]struct {
		target config.Target
		want   bool
	}{
		"endpoint":              {testenv.Target(testenv.Orders, nil), false},
		"identifier":            {config.Target{Ref: "orders"}, true},
		"custom name":           {testenv.Target("orders.corp.example", nil), true},
		"custom name, CA file":  {testenv.Target("orders.corp.example", func(o *config.Options) { o.CAFile = "ca.pem" }), false},
		"address":               {testenv.Target("10.0.0.1", nil), false},
		"unknown form of AWS's": {testenv.Target("orders.new-abc.eu-central-1.rds.amazonaws.com", nil), false},
	} {
		if got := lookedUp(test.target); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}
