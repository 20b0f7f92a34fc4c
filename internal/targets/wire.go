package targets

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/pgkeyless/pgkeyless/auth"
	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/credentials"
	"github.com/pgkeyless/pgkeyless/internal/database"
	"github.com/pgkeyless/pgkeyless/internal/discover"
	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/proxy"
	"github.com/pgkeyless/pgkeyless/tunnel"
)

// Wiring makes Routes from Targets and owns what they share: a credentials
// cache for each profile, the SSM sessions of each jump host.
type Wiring struct {
	log      *slog.Logger
	Trace    func(tunnel.Progress) // is told of each start of a session; may be nil
	Profiles *credentials.Profiles
	aliases  discover.Aliases

	mu          sync.Mutex // routes may be made while clients come
	roots       map[rootsKey]*auth.Roots
	tunnels     map[tunnelKey]*tunnel.Dialer
	people      map[personKey]*person
	past        tunnel.Totals    // of Dialers that are no more among tunnels
	places      map[string]Place // by the target's name
	switchovers map[switchoverKey]*switchover
	begins      map[string]*proxy.Negotiation // of TLS, by the host of an endpoint
	secrets     map[secretKey]*held
}

type (
	rootsKey  struct{ profile, caFile string }
	tunnelKey struct {
		profile, region, via, messages string
		pool                           pool
		person                         personKey // the zero value: nobody in particular
	}
	// pool is the options that a Dialer holds to for all its addresses.
	pool struct {
		sessions  int
		age       time.Duration
		keepAlive bool
	}
)

// terminateWithin bounds the end of the SSM sessions, which takes one round trip
// to the agent or one API call.
const terminateWithin = 5 * time.Second

// New makes a Wiring that has no session yet, and that End ends.
func New(log *slog.Logger, profiles *credentials.Profiles) *Wiring {
	return &Wiring{log: log, Profiles: profiles, aliases: discover.LookupAliases, roots: map[rootsKey]*auth.Roots{}, tunnels: map[tunnelKey]*tunnel.Dialer{}, people: map[personKey]*person{}, secrets: map[secretKey]*held{}, places: map[string]Place{}, switchovers: map[switchoverKey]*switchover{}, begins: map[string]*proxy.Negotiation{}}
}

// close ends all SSM sessions and returns when they have ended or ctx has.
func (w *Wiring) close(ctx context.Context) error {
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

// End is close for at most terminateWithin, also when ctx has ended. No secret is read any
// more, and no password is left.
func (w *Wiring) End(ctx context.Context) {
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), terminateWithin)
	defer cancel()
	forget, _ := w.SetSecretsAside()
	forget()
	if err := w.close(ending); err != nil {
		w.log.Warn("an SSM session may stay open until its idle timeout", "error", display.Line(err.Error()))
	}
}

// Prepare gets the credentials for t, for which a person may have to be asked.
func (w *Wiring) Prepare(ctx context.Context, t config.Target) error {
	cfg, err := w.Profiles.Config(ctx, t.Profile, t.Region)
	if err != nil {
		return err
	}
	_, err = credentials.Retrieve(ctx, cfg.Credentials, t.Profile)
	return err
}

// Routes makes the Routes for targets, side by side: some may have to be looked
// up. The error is that of the first target that has one.
func (w *Wiring) Routes(ctx context.Context, targets []config.Target) ([]proxy.Route, error) {
	routes, errs := make([]proxy.Route, len(targets)), make([]error, len(targets))
	var making sync.WaitGroup
	for i, t := range targets {
		making.Go(func() { routes[i], errs[i] = w.Route(ctx, t) })
	}
	making.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return routes, nil
}

// Route makes the Route for t, but for its listeners. It reads files (shared
// configuration, ca-file) and calls no service, unless t has to be looked up.
func (w *Wiring) Route(ctx context.Context, t config.Target) (proxy.Route, error) {
	if lookedUp(t) {
		return w.lateRoute(ctx, t)
	}
	l, err := NewLogin(ctx, w.Profiles, t)
	if err != nil {
		return proxy.Route{}, err
	}
	return w.RouteTo(t, l)
}

// RouteTo makes the Route for t, whose database is l's.
func (w *Wiring) RouteTo(t config.Target, l Login) (proxy.Route, error) {
	t, err := Way(t, l)
	if err != nil {
		return proxy.Route{}, err
	}
	l.describes, l.switchover = newDescriber(l, t.Profile), w.switchoverOf(l, t)
	r, err := w.wired(t, l)
	if err != nil {
		return proxy.Route{}, err
	}
	if refused := guardsRefused(t, l.Endpoint.Kind); refused != "" {
		w.log.Warn(refused, "route", t.Name)
	}
	if p, ok := r.Passwords.(*Passwords); ok {
		w.log.Info("a user logs in with a password from Secrets Manager", "route", t.Name, "user", p.User, "secret", p.name())
	}
	w.found(t.Name, Place{Endpoint: l.Endpoint.Address(), Region: l.Endpoint.Region, Kind: l.kind(), address: r.Address, key: l.tunnelKey(t), tunnelled: r.Tunnel})
	r.As = func(role, identity string) (proxy.Route, error) {
		return w.routeAs(t, l, credentials.Assumed{Role: role, Person: identity})
	}
	return r, nil
}

// wired is RouteTo, but for what it tells others.
func (w *Wiring) wired(t config.Target, l Login) (proxy.Route, error) {
	roots, err := w.rootsFor(t, l.AWS)
	if err != nil {
		return proxy.Route{}, err
	}
	dialer, err := w.dialerFor(t, l)
	if err != nil {
		return proxy.Route{}, err
	}
	r := baseRoute(t)
	r.Address = l.Endpoint.Address()
	if t.Dial != "" {
		r.Address = t.Dial
	}
	r.Dialer, r.Tokens = dialer, l.tokens
	if switches(l.Endpoint.Kind) {
		signs := signer{l.switchover, l}
		r.Tokens, r.Alternative = signs, signs.alternative
	}
	_, r.Tunnel = dialer.(*tunnel.Dialer)
	r.TLS = sameConfig(func() *tls.Config { return roots.TLSConfig(l.Endpoint) })
	r.RefreshTLS = func(ctx context.Context, cause error) error { return roots.Refresh(ctx, l.Endpoint, cause) }
	passwords, err := w.Passwords(t, l)
	if err != nil {
		return proxy.Route{}, err
	}
	if passwords != nil {
		// Only rds_iam and RDS Proxy ask so: RDS stores no password in clear text.
		r.Passwords, r.ClearTextToken = passwords, l.Endpoint.Kind != auth.KindOther
	}
	r.Refusals = explainer{l.explain(t), l.AWS.Credentials, passwords}
	r.Pooler, r.ReadyLogins = pooler(t, l.Endpoint.Kind), readyLogins(t, l.Endpoint.Kind)
	r.PausesAfter = l.Database.PausesAfter
	// The writer of a global database without an endpoint of its own is another cluster
	// after a switchover; all other names lead to the new writer.
	r.Moves = l.Database.Kind == database.Global && l.Endpoint.Kind != auth.KindGlobal
	r.Identity = func() string { return credentials.InUse(l.AWS.Credentials) }
	if l.Endpoint.Kind == auth.KindDSQL {
		w.asDSQL(&r, t, l.Endpoint)
	}
	return r, nil
}

// baseRoute is what does not depend on where the database is.
func baseRoute(t config.Target) proxy.Route {
	return proxy.Route{
		Name:      t.Name,
		User:      t.User,
		Database:  t.Database,
		Settings:  Guards(t.Options),
		DirectTLS: t.SSLNegotiation == config.SSLDirect,
	}
}

// ForgetRoots makes routes that are made from now on read their ca-file again.
func (w *Wiring) ForgetRoots() {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.roots)
}

func (w *Wiring) rootsFor(t config.Target, cfg aws.Config) (*auth.Roots, error) {
	key := rootsKey{t.Profile, t.CAFile}
	w.mu.Lock()
	defer w.mu.Unlock()
	if r, ok := w.roots[key]; ok {
		return r, nil
	}
	rc := auth.RootsConfig{HTTP: credentials.HTTPClient(cfg), CacheDir: auth.DefaultCacheDir(), Log: w.log}
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

func (w *Wiring) dialerFor(t config.Target, l Login) (proxy.Dialer, error) {
	if t.Dial != "" {
		return &ownTunnel{endpoint: l.Endpoint.Address()}, nil
	}
	if t.Via == config.ViaNone {
		return &tunnel.Direct{}, nil
	}
	key := l.tunnelKey(t)
	w.mu.Lock()
	defer w.mu.Unlock()
	if d, ok := w.tunnels[key]; ok {
		return d, nil
	}
	cfg := l.tunnelConfig(t, w.log)
	cfg.Trace = w.Trace
	if discover.Several(t.Via) {
		finder, err := NewFinder(l.asks, t.Profile)
		if err != nil {
			return nil, err
		}
		cfg.Targets = func(ctx context.Context) ([]string, error) { return finder.OnlineTargets(ctx, t.Via) }
	}
	d, err := tunnel.New(cfg)
	_, setBy := messagesEndpoint(t)
	if err != nil && setBy != "" { // all else has been checked before
		return nil, causes.MisuseOf(fmt.Errorf("%s: %s", setBy, strings.TrimPrefix(err.Error(), "tunnel: ")), "write it as https://HOST, and http:// for a loopback host only")
	}
	if err != nil {
		return nil, err
	}
	w.tunnels[key] = d
	return d, nil
}

// tunnelKey is that of the Dialer for t's jump host.
func (l Login) tunnelKey(t config.Target) tunnelKey {
	messages, _ := messagesEndpoint(t)
	return tunnelKey{t.Profile, l.Endpoint.Region, t.Via, messages, poolOf(t), l.person}
}

// messagesEndpoint is where t's websockets go in place of the host that AWS names,
// "" for that; and the variable that says so, "" for t itself. The variable is as
// those of the SDK, which has no client for this service.
func messagesEndpoint(t config.Target) (endpoint, setBy string) {
	const variable = "AWS_ENDPOINT_URL_SSMMESSAGES"
	set := os.Getenv(variable)
	if t.MessagesEndpoint != "" || set == "" || strings.EqualFold(os.Getenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"), "true") {
		return t.MessagesEndpoint, ""
	}
	return set, variable
}

func poolOf(t config.Target) pool {
	return pool{sessions: t.Sessions, age: t.SessionAge, keepAlive: t.KeepAlive != config.KeepAliveOff}
}

// StaleEnvironment returns a warning for each way in which the targets' AWS
// credentials come from an environment that nobody refreshes.
func StaleEnvironment(targets []config.Target) []string {
	var warnings []string
	for _, t := range targets {
		if w := credentials.StaleEnvironment(t.Profile); w != "" && !slices.Contains(warnings, w) {
			warnings = append(warnings, w)
		}
	}
	return warnings
}

// sameConfig returns what configure makes, the same one for as long as its roots are: each
// connection would keep its own.
func sameConfig(configure func() *tls.Config) func() *tls.Config {
	var last atomic.Pointer[tls.Config]
	return func() *tls.Config {
		now := configure()
		if known := last.Load(); known != nil && known.RootCAs == now.RootCAs {
			return known
		}
		last.Store(now)
		return now
	}
}
