package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/pgkeyless/pgkeyless/auth"
	"github.com/pgkeyless/pgkeyless/config"
	"github.com/pgkeyless/pgkeyless/proxy"
	"github.com/pgkeyless/pgkeyless/tunnel"
)

// wiring makes Routes from Targets and owns what they share: a credentials
// cache for each profile, the SSM sessions of each jump host.
type wiring struct {
	log      *slog.Logger
	profiles auth.Profiles
	roots    map[rootsKey]*auth.Roots
	tunnels  map[tunnelKey]*tunnel.Dialer
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

func newWiring(log *slog.Logger) *wiring {
	return &wiring{log: log, roots: map[rootsKey]*auth.Roots{}, tunnels: map[tunnelKey]*tunnel.Dialer{}}
}

// close ends all SSM sessions and returns when they have ended or ctx has.
func (w *wiring) close(ctx context.Context) error {
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

// route makes the Route for t, but for its listeners. It reads files (shared
// configuration, ca-file) and calls no service.
func (w *wiring) route(ctx context.Context, t config.Target) (proxy.Route, error) {
	l, err := newLogin(ctx, &w.profiles, t)
	if err != nil {
		return proxy.Route{}, err
	}
	roots, err := w.rootsFor(t, l)
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
	address := l.endpoint.Address()
	if t.Dial != "" {
		address = t.Dial
	}
	return proxy.Route{
		Name:    t.Name,
		Address: address,
		Dialer:  dialer,
		Tokens:  l.tokens,
		TLS:     func() *tls.Config { return roots.TLSConfig(l.endpoint) },
		RefreshTLS: func(ctx context.Context, cause error) error {
			return roots.Refresh(ctx, l.endpoint, cause)
		},
		Refusals:  explainer{l.refusals(t)},
		User:      t.User,
		Database:  t.Database,
		Settings:  guards(t.Options),
		DirectTLS: t.SSLNegotiation == config.SSLDirect,
	}, nil
}

func (w *wiring) rootsFor(t config.Target, l login) (*auth.Roots, error) {
	key := rootsKey{t.Profile, t.CAFile}
	if r, ok := w.roots[key]; ok {
		return r, nil
	}
	cfg := auth.RootsConfig{HTTP: httpClient(l.aws), CacheDir: auth.DefaultCacheDir(), Log: w.log}
	if t.CAFile != "" {
		cfg.CAFiles = []string{t.CAFile}
	}
	r, err := auth.NewRoots(cfg)
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
	if d, ok := w.tunnels[key]; ok {
		return d, nil
	}
	d, err := tunnel.New(l.tunnelConfig(t, w.log))
	if err != nil {
		return nil, err
	}
	w.tunnels[key] = d
	return d, nil
}

func poolOf(t config.Target) pool {
	return pool{sessions: t.Sessions, age: t.SessionAge, keepAlive: t.KeepAlive != config.KeepAliveOff}
}

// httpClient has the CA bundle and the proxy settings that the SDK's own calls
// have under cfg, and none of their time limits.
func httpClient(cfg aws.Config) *http.Client {
	b, ok := cfg.HTTPClient.(*awshttp.BuildableClient)
	if !ok {
		b = awshttp.NewBuildableClient()
	}
	return &http.Client{Transport: b.GetTransport()}
}

// login is what it takes to log in to a target's database.
type login struct {
	endpoint      auth.Endpoint
	regionGuessed bool       // not the endpoint's own, nor the user's word
	aws           aws.Config // in the database's region
	tokens        *auth.Tokens
}

func newLogin(ctx context.Context, profiles *auth.Profiles, t config.Target) (login, error) {
	if t.Ref != "" {
		return login{}, &usageError{fmt.Sprintf("target %q: names are not looked up in AWS yet", t.Name), "give the endpoint of the database, HOST[:PORT]"}
	}
	endpoint, err := auth.ParseEndpoint(t.Endpoint)
	if err != nil {
		return login{}, err
	}
	if t.Region != "" && endpoint.Region != "" && t.Region != endpoint.Region {
		return login{}, &usageError{fmt.Sprintf("target %q is in %s by its name, and in %s by the option region", t.Name, endpoint.Region, t.Region),
			fmt.Sprintf("leave the region out, the name has it; for another target alone give it there: 'HOST?region=%s'", t.Region)}
	}
	endpoint = endpoint.InRegion(t.Region)
	cfg, err := profiles.Config(ctx, t.Profile, endpoint.Region)
	if err != nil {
		return login{}, err
	}
	guessed := endpoint.Region == ""
	if guessed {
		endpoint = endpoint.InRegion(cfg.Region) // AWS_REGION, or the profile's
	}
	tokens, err := auth.NewTokens(auth.TokensConfig{Endpoint: endpoint, Credentials: cfg.Credentials, Profile: t.Profile})
	if err != nil {
		return login{}, err
	}
	return login{endpoint, guessed, cfg, tokens}, nil
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
		// The client has sorted out AWS_ENDPOINT_URL_SSM, AWS_ENDPOINT_URL, the
		// services section and AWS_IGNORE_CONFIGURED_ENDPOINT_URLS.
		EndpointOverride: aws.ToString(client.Options().BaseEndpoint),
		HTTPClient:       httpClient(l.aws),
		Sessions:         p.sessions,
		MaxAge:           p.age,
		NoKeepAlive:      !p.keepAlive,
		Log:              log,
	}
}

// iamToken makes the password for one login as t.User.
func iamToken(ctx context.Context, t config.Target) (string, error) {
	var profiles auth.Profiles
	l, err := newLogin(ctx, &profiles, t)
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
