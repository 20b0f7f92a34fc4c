package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/pgkeyless/pgkeyless/auth"
	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/discover"
	"github.com/pgkeyless/pgkeyless/proxy"
	"github.com/pgkeyless/pgkeyless/tunnel"
)

// wiring makes Routes from Targets and owns what they share: a credentials
// cache for each profile, the SSM sessions of each jump host.
type wiring struct {
	log      *slog.Logger
	trace    func(tunnel.Progress) // is told of each start of a session; may be nil
	profiles *auth.Profiles
	aliases  discover.Aliases

	mu      sync.Mutex // routes may be made while clients come
	roots   map[rootsKey]*auth.Roots
	tunnels map[tunnelKey]*tunnel.Dialer
}

type (
	rootsKey  struct{ profile, caFile string }
	tunnelKey struct {
		profile, region, via string
		pool                 pool
	}
	// pool is the options that a Dialer holds to for all its addresses.
	pool struct {
		sessions  int
		age       time.Duration
		keepAlive bool
	}
)

func newWiring(log *slog.Logger, profiles *auth.Profiles) *wiring {
	return &wiring{log: log, profiles: profiles, aliases: discover.LookupAliases, roots: map[rootsKey]*auth.Roots{}, tunnels: map[tunnelKey]*tunnel.Dialer{}}
}

// close ends all SSM sessions and returns when they have ended or ctx has.
func (w *wiring) close(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	errs := make([]error, len(w.tunnels))
	var closing sync.WaitGroup
	i := 0
	for _, d := range w.tunnels {
		slot := &errs[i]
		closing.Go(func() { *slot = d.Close(ctx) })
		i++
	}
	closing.Wait()
	return errors.Join(errs...)
}

// routes makes the Routes for targets, side by side: some may have to be looked
// up. The error is that of the first target that has one.
func (w *wiring) routes(ctx context.Context, targets []config.Target) ([]proxy.Route, error) {
	routes, errs := make([]proxy.Route, len(targets)), make([]error, len(targets))
	var making sync.WaitGroup
	for i, t := range targets {
		making.Go(func() { routes[i], errs[i] = w.route(ctx, t) })
	}
	making.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return routes, nil
}

// route makes the Route for t, but for its listeners. It reads files (shared
// configuration, ca-file) and calls no service, unless t has to be looked up.
func (w *wiring) route(ctx context.Context, t config.Target) (proxy.Route, error) {
	if lookedUp(t) {
		return w.lateRoute(ctx, t)
	}
	l, err := newLogin(ctx, w.profiles, t)
	if err != nil {
		return proxy.Route{}, err
	}
	return w.routeTo(t, l)
}

// routeTo makes the Route for t, whose database is l's.
func (w *wiring) routeTo(t config.Target, l login) (proxy.Route, error) {
	roots, err := w.rootsFor(t, l.aws)
	if err != nil {
		return proxy.Route{}, err
	}
	dialer, err := w.dialerFor(t, l)
	if err != nil {
		return proxy.Route{}, err
	}
	if refused := guardsRefused(t, l.endpoint.Kind); refused != "" {
		w.log.Warn(refused, "route", t.Name)
	}
	r := baseRoute(t)
	r.Address = l.endpoint.Address()
	if t.Dial != "" {
		r.Address = t.Dial
	}
	r.Dialer, r.Tokens = dialer, l.tokens
	r.TLS = func() *tls.Config { return roots.TLSConfig(l.endpoint) }
	r.RefreshTLS = func(ctx context.Context, cause error) error { return roots.Refresh(ctx, l.endpoint, cause) }
	r.Refusals = explainer{l.refusals(t)}
	return r, nil
}

// baseRoute is what does not depend on where the database is.
func baseRoute(t config.Target) proxy.Route {
	return proxy.Route{
		Name:      t.Name,
		User:      t.User,
		Database:  t.Database,
		Settings:  guards(t.Options),
		DirectTLS: t.SSLNegotiation == config.SSLDirect,
	}
}

// forgetRoots makes routes that are made from now on read their ca-file again.
func (w *wiring) forgetRoots() {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.roots)
}

func (w *wiring) rootsFor(t config.Target, cfg aws.Config) (*auth.Roots, error) {
	key := rootsKey{t.Profile, t.CAFile}
	w.mu.Lock()
	defer w.mu.Unlock()
	if r, ok := w.roots[key]; ok {
		return r, nil
	}
	rc := auth.RootsConfig{HTTP: auth.HTTPClient(cfg), CacheDir: auth.DefaultCacheDir(), Log: w.log}
	if t.CAFile != "" {
		rc.CAFiles = []string{t.CAFile}
	}
	r, err := auth.NewRoots(rc)
	if err != nil {
		return nil, err
	}
	w.roots[key] = r
	return r, nil
}

func (w *wiring) dialerFor(t config.Target, l login) (proxy.Dialer, error) {
	if t.Dial != "" {
		return &ownTunnel{endpoint: l.endpoint.Address()}, nil
	}
	if t.Via == config.ViaNone {
		return &tunnel.Direct{}, nil
	}
	key := tunnelKey{t.Profile, l.endpoint.Region, t.Via, poolOf(t)}
	w.mu.Lock()
	defer w.mu.Unlock()
	if d, ok := w.tunnels[key]; ok {
		return d, nil
	}
	cfg := l.tunnelConfig(t, w.log)
	cfg.Trace = w.trace
	if discover.Several(t.Via) {
		finder, err := newFinder(l.aws, t.Profile)
		if err != nil {
			return nil, err
		}
		cfg.Targets = func(ctx context.Context) ([]string, error) { return finder.OnlineTargets(ctx, t.Via) }
	}
	d, err := tunnel.New(cfg)
	if err != nil {
		return nil, err
	}
	w.tunnels[key] = d
	return d, nil
}

func poolOf(t config.Target) pool {
	return pool{sessions: t.Sessions, age: t.SessionAge, keepAlive: t.KeepAlive != config.KeepAliveOff}
}

// login is what it takes to log in to a target's database.
type login struct {
	endpoint      auth.Endpoint
	regionGuessed bool       // not the endpoint's own, nor the user's word
	aws           aws.Config // in the database's region
	tokens        *auth.Tokens
	database      discover.Database // as AWS described it; zero when it was not asked
}

// newLogin finds out where t leads, by asking AWS when it must be looked up.
func newLogin(ctx context.Context, profiles *auth.Profiles, t config.Target) (login, error) {
	if t.Ref != "" {
		return ask(ctx, profiles, t)
	}
	endpoint, err := auth.ParseEndpoint(t.Endpoint)
	if err != nil {
		return login{}, err
	}
	if err := oneRegion(t, endpoint.Region); err != nil {
		return login{}, err
	}
	endpoint = endpoint.InRegion(t.Region)
	cfg, err := profiles.Config(ctx, t.Profile, endpoint.Region)
	if err != nil {
		return login{}, err
	}
	l, err := loginAt(endpoint.InRegion(cfg.Region), cfg, t) // AWS_REGION or the profile's, where the name has none
	l.regionGuessed = endpoint.Region == ""
	return l, err
}

// oneRegion says when t's name and its option region contradict each other.
func oneRegion(t config.Target, named string) error {
	if t.Region == "" || named == "" || t.Region == named {
		return nil
	}
	return &usageError{fmt.Sprintf("target %q is in %s by its name, and in %s by the option region", t.Name, named, t.Region),
		fmt.Sprintf("leave the region out, the name has it; for another target alone give it there: 'TARGET?region=%s'", t.Region)}
}

// loginAt is a login at endpoint with cfg, both in the database's region.
func loginAt(endpoint auth.Endpoint, cfg aws.Config, t config.Target) (login, error) {
	tokens, err := auth.NewTokens(auth.TokensConfig{Endpoint: endpoint, Credentials: cfg.Credentials, Profile: t.Profile})
	if err != nil {
		return login{}, err
	}
	return login{endpoint: endpoint, aws: cfg, tokens: tokens}, nil
}

// tunnelConfig is for sessions on t's jump host, which is taken to be in the
// database's region.
func (l login) tunnelConfig(t config.Target, log *slog.Logger) tunnel.Config {
	client := ssm.NewFromConfig(l.aws)
	p := poolOf(t)
	return tunnel.Config{
		API:         client,
		Credentials: l.aws.Credentials,
		Region:      l.endpoint.Region,
		Target:      t.Via,
		Profile:     t.Profile,
		Explain:     func(err error) error { return auth.Explain(t.Profile, err) },
		// The client has sorted out AWS_ENDPOINT_URL_SSM, AWS_ENDPOINT_URL, the
		// services section and AWS_IGNORE_CONFIGURED_ENDPOINT_URLS.
		EndpointOverride: aws.ToString(client.Options().BaseEndpoint),
		HTTPClient:       auth.HTTPClient(l.aws),
		Sessions:         p.sessions,
		MaxAge:           p.age,
		NoKeepAlive:      !p.keepAlive,
		Log:              log,
	}
}

// iamToken makes the password for one login as t.User.
func iamToken(ctx context.Context, t config.Target, profiles *auth.Profiles) (string, error) {
	t, err := behind(ctx, discover.LookupAliases, t)
	if err != nil {
		return "", err
	}
	l, err := newLogin(ctx, profiles, t)
	if err != nil {
		return "", err
	}
	return l.tokens.Token(ctx, t.User)
}

// staleEnvironment returns a warning for each way in which the targets' AWS
// credentials come from an environment that nobody refreshes.
func staleEnvironment(targets []config.Target) []string {
	var warnings []string
	for _, t := range targets {
		if w := auth.StaleEnvironment(t.Profile); w != "" && !slices.Contains(warnings, w) {
			warnings = append(warnings, w)
		}
	}
	return warnings
}
