package targets

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pgkeyless/pgkeyless/auth"
	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/discover"
	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/internal/refusals"
	"github.com/pgkeyless/pgkeyless/proxy"
)

// switchover knows for which endpoint the tokens of a database are to be signed. That
// changes at the switchover of a global database, which has another region then, and of a
// blue/green deployment, around which the database may have one name or the other. It is
// safe for concurrent use, and shared by all who log in there.
//
// Until a database refuses a token, tokens are signed for the endpoint that the user
// named. Then it looks for another one, and keeps that once the database has accepted it.
type switchover struct {
	login   Login
	profile string
	explore func(context.Context) ([]auth.Endpoint, error) // asks AWS for others
	log     *slog.Logger

	mu      sync.Mutex
	signs   auth.Endpoint
	changed time.Time // signs last did; zero: never

	asking chan struct{} // holds one: who asks owns what follows
	asked  time.Time     // when that was over; zero before
	found  []auth.Endpoint
}

func newSwitchover(l Login, profile string, log *slog.Logger) *switchover {
	s := &switchover{login: l, profile: profile, log: log, signs: l.Endpoint, asking: make(chan struct{}, 1)}
	s.explore = s.elsewhere
	return s
}

// switchoverKey is what a switchover is about. A target that is looked up again, and is
// where it was, goes on with what is known.
type switchoverKey struct {
	profile  string
	endpoint auth.Endpoint
}

// switchoverOf is that of l's database.
func (w *Wiring) switchoverOf(l Login, t config.Target) *switchover {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := switchoverKey{t.Profile, l.Endpoint}
	s := w.switchovers[key]
	if s == nil {
		s = newSwitchover(l, t.Profile, w.log.With("endpoint", l.Endpoint.Address()))
		w.switchovers[key] = s
	}
	return s
}

// current is what tokens are signed for, and since when; zero: always.
func (s *switchover) current() (signs auth.Endpoint, since time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.signs, s.changed
}

func (s *switchover) keep(e auth.Endpoint) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.signs != e {
		s.signs, s.changed = e, time.Now()
	}
}

// signer makes one login's tokens for the endpoint that a switchover says.
type signer struct {
	about *switchover
	login Login
}

// Token is proxy.TokenSource's.
func (s signer) Token(ctx context.Context, user string) (proxy.Password, error) {
	e, _ := s.about.current()
	tokens, err := s.tokens(e)
	if err != nil {
		return proxy.Password{}, err
	}
	return tokens.Token(ctx, user)
}

// tokens are those for e, which differs from the login's by name or region at most.
func (s signer) tokens(e auth.Endpoint) (*auth.Tokens, error) {
	if e == s.login.Endpoint {
		return s.login.tokens, nil
	}
	return auth.NewTokens(auth.TokensConfig{Endpoint: e, Credentials: s.login.AWS.Credentials, Profile: s.about.profile})
}

// switches reports whether what is signed for an endpoint of this kind can change.
func switches(k auth.Kind) bool {
	switch k {
	case auth.KindInstance, auth.KindCluster, auth.KindClusterReader, auth.KindClusterCustom, auth.KindGlobal:
		return true
	}
	return false
}

// alternative is proxy.Route's. It offers an endpoint only after a refusal that may be
// about the token: the one that another login has found since this one began, or else the
// next.
func (s signer) alternative(ctx context.Context, r proxy.Refusal, since time.Time) (proxy.Alternative, bool) {
	if c, ok := refusals.Refused(r).Cause(); !ok || c.Name != causes.TokenRefused.Name {
		return proxy.Alternative{}, false
	}
	now, changed := s.about.current()
	if changed.After(since) {
		return s.offer(now)
	}
	for _, e := range s.about.others(ctx) {
		if e != now {
			return s.offer(e)
		}
	}
	return proxy.Alternative{}, false
}

func (s signer) offer(e auth.Endpoint) (proxy.Alternative, bool) {
	tokens, err := s.tokens(e)
	return proxy.Alternative{Tokens: tokens, For: e.Address() + " in " + e.Region, Keep: func() { s.about.keep(e) }}, err == nil
}

// exploreTimeout bounds a look-up, for which a client that is refused anyway waits.
const exploreTimeout = 2 * time.Second

// others are the endpoints that tokens may have to be signed for, the likeliest first.
// AWS is asked once in lookupPause. What it has named once stays: after a switchover it
// does not describe the name that the database had before.
func (s *switchover) others(ctx context.Context) []auth.Endpoint {
	select {
	case s.asking <- struct{}{}:
		defer func() { <-s.asking }()
	case <-ctx.Done():
		return nil
	}
	if s.asked.IsZero() || time.Since(s.asked) >= lookupPause {
		asking, cancel := context.WithTimeout(ctx, exploreTimeout)
		named, err := s.explore(asking)
		cancel()
		if ctx.Err() == nil { // else the client left, or waits no longer
			s.asked = time.Now()
			if err != nil {
				s.log.Info("what else tokens may have to be signed for could not be looked up", "error", display.Line(err.Error()), "hint", causes.Hint(err))
			}
		}
		for _, e := range named {
			s.found = slices.DeleteFunc(s.found, func(known auth.Endpoint) bool { return known.Host == e.Host })
			s.found = append([]auth.Endpoint{e}, s.found...)
		}
	}
	all := slices.Clone(s.found)
	if host := discover.AfterSwitchover(s.login.Endpoint.Host); host != "" {
		all = append([]auth.Endpoint{s.renamed(host)}, all...)
	}
	return append(all, s.login.Endpoint) // which may be the right one again
}

// renamed is the endpoint under another name.
func (s *switchover) renamed(host string) auth.Endpoint {
	e := s.login.Endpoint
	e.Host = strings.ToLower(host)
	return e
}

// elsewhere asks AWS in which region the writer of a global database is, and how the
// other environment of a blue/green deployment is called.
func (s *switchover) elsewhere(ctx context.Context) ([]auth.Endpoint, error) {
	finder, err := NewFinder(s.login.asks, s.profile)
	if err != nil {
		return nil, err
	}
	if s.login.Endpoint.Kind == auth.KindGlobal {
		db, err := finder.ByEndpoint(ctx, s.login.Endpoint.Host)
		if err != nil {
			return nil, err
		}
		return []auth.Endpoint{s.login.Endpoint.InRegion(db.Region)}, nil
	}
	hosts, err := finder.Counterparts(ctx, s.login.Endpoint.Host)
	var all []auth.Endpoint
	for _, host := range hosts {
		all = append(all, s.renamed(host))
	}
	return all, err
}
