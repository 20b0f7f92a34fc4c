package targets

import (
	"context"
	"errors"
	"net"
	"strconv"
	"time"

	"github.com/pgkeyless/pgkeyless/auth"
	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/credentials"
	"github.com/pgkeyless/pgkeyless/internal/discover"
	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/internal/slow"
	"github.com/pgkeyless/pgkeyless/proxy"
)

const (
	// lookupTimeout bounds one look-up, which is a few API calls side by side, once
	// there are credentials. A login has a minute for everything.
	lookupTimeout = 20 * time.Second

	// startupPatience is how long a start waits for one: being ready must not
	// depend on AWS.
	startupPatience = 10 * time.Second

	// startupSilence is how much of that may pass without a word.
	startupSilence = 3 * time.Second

	// lookupPause is the least time between two look-ups of a database that
	// logins do not reach.
	lookupPause = 10 * time.Second
)

// lookedUp says whether it takes a question to know where t leads: one to AWS,
// or one to DNS.
func lookedUp(t config.Target) bool { return asksRDS(t) || aliased(t) }

// asksRDS says whether RDS is asked about t's database: by its identifier, or for the
// secret that it keeps.
func asksRDS(t config.Target) bool { return t.Ref != "" || t.Managed() }

// aliased says whether t is named by a name that is not AWS's own. With a CA file the
// database may be somebody else's, and the name is taken at its word.
func aliased(t config.Target) bool {
	if t.Ref != "" {
		return false
	}
	e, err := auth.ParseEndpoint(t.Endpoint)
	return err == nil && e.Custom() && t.CAFile == ""
}

// behind is t, named by the endpoint that its name is a CNAME of.
func behind(ctx context.Context, aliases discover.Aliases, t config.Target) (config.Target, error) {
	if !aliased(t) {
		return t, nil
	}
	typed, err := auth.ParseEndpoint(t.Endpoint)
	if err != nil {
		return t, err
	}
	host, err := discover.Endpoint(ctx, aliases, typed.Host, func(name string) bool {
		e, err := auth.ParseEndpoint(name)
		return err == nil && e.Kind != auth.KindOther
	})
	if err != nil {
		return t, err
	}
	t.Endpoint = net.JoinHostPort(host, strconv.Itoa(typed.Port))
	return t, nil
}

// late looks a target up when a login needs it, and keeps the answer until one
// finds nothing there, or another server. Clients that come while it asks share the
// answer.
type late struct {
	w      *Wiring
	target config.Target
	asking chan struct{} // holds one: who asks owns what follows

	endpoint string // last told of
	known    bool   // whether there is an answer
	route    proxy.Route
	err      error     // of the last time of asking
	asked    time.Time // when that was over
}

// lateRoute makes the Route for t, which is looked up now if that goes quickly,
// else for the first client. Only what stays wrong is an error: a name that does
// not exist, a database of another kind, a file that cannot be read.
func (w *Wiring) lateRoute(ctx context.Context, t config.Target) (proxy.Route, error) {
	cfg, err := w.Profiles.Config(ctx, t.Profile, t.Region)
	if err != nil {
		return proxy.Route{}, err
	}
	if _, err := w.rootsFor(t, cfg); err != nil {
		return proxy.Route{}, err
	}
	l := &late{w: w, target: t, asking: make(chan struct{}, 1)}
	r := baseRoute(t)
	asking, cancel := context.WithTimeout(ctx, startupPatience)
	defer cancel()
	told := slow.After(startupSilence, func() {
		w.log.Info("still looking for the database", "route", t.Name, "at_most", startupPatience.String())
	})
	found, err := l.resolve(asking, false)
	told()
	switch {
	case err == nil:
		r = found
	case ctx.Err() != nil: // a signal came: nobody waits for the answer
		return proxy.Route{}, context.Cause(ctx)
	case mayPass(err):
		w.log.Warn("database not found yet, looking again for the next client", "route", t.Name, "error", display.Line(err.Error()),
			"detail", display.Line(causes.Detail(err)), "hint", causes.Hint(err))
	default:
		return proxy.Route{}, err
	}
	r.Resolve = l.resolve
	return r, nil
}

// resolve is the proxy.Route's.
func (l *late) resolve(ctx context.Context, stale bool) (proxy.Route, error) {
	came := time.Now()
	select {
	case l.asking <- struct{}{}:
		defer func() { <-l.asking }()
	case <-ctx.Done():
		if err := l.credentials(ctx); err != nil { // they know what was waited for
			return proxy.Route{}, err
		}
		return proxy.Route{}, context.Cause(ctx)
	}
	switch {
	case l.known && !(stale && time.Since(l.asked) >= lookupPause):
		return l.route, nil
	case l.err != nil && l.asked.After(came):
		return proxy.Route{}, l.err
	}
	route, err := l.ask(ctx)
	if ctx.Err() != nil { // the client left: nobody else's answer
		return route, err
	}
	l.asked, l.err = time.Now(), nil
	switch {
	case err == nil:
		l.known, l.route = true, route
	case l.known && mayPass(err) && !errors.As(err, new(*troubleError)):
		l.w.log.Debug("database not looked up again, using the last answer", "route", l.target.Name, "error", display.Line(err.Error()))
		return l.route, nil
	default:
		l.known, l.err = false, err
	}
	return route, err
}

// ask looks the target up.
func (l *late) ask(ctx context.Context) (proxy.Route, error) {
	if err := l.credentials(ctx); err != nil {
		return proxy.Route{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	t, err := behind(ctx, l.w.aliases, l.target)
	if err != nil {
		return proxy.Route{}, err
	}
	found, err := NewLogin(ctx, l.w.Profiles, t)
	if err == nil && t.Managed() {
		found, err = found.Described(ctx, t)
	}
	if err != nil {
		return proxy.Route{}, err
	}
	if found.Database.Kind != 0 {
		if err := Trouble(t, found.Database); err != nil {
			return proxy.Route{}, &troubleError{err}
		}
	}
	l.tell(found)
	return l.w.RouteTo(l.target, found)
}

// credentials waits for those that RDS is asked with, in the time that a person may
// take. DNS takes none.
func (l *late) credentials(ctx context.Context) error {
	if !asksRDS(l.target) {
		return nil
	}
	cfg, err := l.w.Profiles.Config(ctx, l.target.Profile, l.target.Region)
	if err != nil {
		return err
	}
	_, err = cfg.Credentials.Retrieve(ctx)
	return credentials.Explain(l.target.Profile, err)
}

// tell logs where the target leads, unless that is known.
func (l *late) tell(found Login) {
	address := found.Endpoint.Address()
	if l.endpoint == address {
		return
	}
	l.endpoint = address
	log := l.w.log.With("route", l.target.Name, "endpoint", address, "region", found.Endpoint.Region)
	if found.Database.Kind == 0 {
		log.Info("the name is a CNAME; pgkeyless signs tokens and verifies the certificate for its endpoint")
		return
	}
	log.Info("database found", "kind", found.Database.Kind.String(), "resource_id", found.Database.ResourceID, "public", found.Public())
}

// Described is l with what RDS says of its database, whose secret is asked for.
func (l Login) Described(ctx context.Context, t config.Target) (Login, error) {
	if l.Database.Kind != 0 || noPasswords(t, l) != "" { // which RouteTo tells
		return l, nil
	}
	finder, err := NewFinder(l.AWS, t.Profile)
	if err != nil {
		return l, err
	}
	l.Database, err = finder.ByEndpoint(ctx, l.Endpoint.Host)
	if errors.Is(err, discover.ErrDenied) {
		return l, &managedDenied{err}
	}
	return l, err
}

// managedDenied is a look-up that AWS denies, of a database that is named by its endpoint
// already.
type managedDenied struct{ error }

func (m *managedDenied) Unwrap() error { return m.error }

// Hint goes before that of the error beneath.
func (m *managedDenied) Hint() string {
	return "secret=managed has RDS asked for the secret: allow rds:DescribeDBInstances and rds:DescribeDBClusters, " +
		"or give the secret's ARN and its user: secret=arn:… and user=NAME"
}

// Trouble says why logins at db cannot succeed now. Where a user has a password, IAM
// authentication may be off.
func Trouble(t config.Target, db discover.Database) error {
	err := db.Trouble()
	if t.Secret != "" && causes.Name(err) == causes.IAMSwitchedOff.Name {
		return nil
	}
	return err
}

// troubleError says of a database that was found that no login can succeed now.
type troubleError struct{ error }

func (e *troubleError) Unwrap() error { return e.error }

// mayPass says whether looking up again can end better than with err.
func mayPass(err error) bool { return !discover.Final(err) && !causes.Misused(err) }
