package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/secret"
)

// Dialer opens a byte stream to address ("host:port"). *net.Dialer is one.
//
// It is called from many goroutines at once and must give up when ctx ends.
// When an error has a method SQLState, Detail or Hint, the client gets to see
// what it says.
//
// A conn may have a method Retire(reason string), which says that the way it
// came seems not to lead to the right database any more, and that the next dial
// should take another. Only then is a dial tried a second time: when the first
// gave no byte in Config.FirstByteTimeout, or an error with SQLSTATE 08001
// instead. Retire must not block, and may be called while the conn is in use or
// after it was closed. With a method Retired() bool, which says whether that has happened
// to the way, ready logins over it are given up then; with one Busy() bool, which says that
// another way is better now, they are when a client comes.
//
// A Dialer may have a method Expect(ctx context.Context, address string, dials int), which
// is told how many dials are about to come: it may prepare for them, and must not wait.
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// retirer is a conn with that method.
type retirer interface{ Retire(reason string) }

// expect tells the Dialer that so many dials are about to come, where it wants to know.
func (r *Route) expect(ctx context.Context, dials int) {
	if d, ok := r.Dialer.(interface {
		Expect(ctx context.Context, address string, dials int)
	}); ok {
		d.Expect(ctx, r.Address, dials)
	}
}

// Prepare has the Dialer prepare for one client, as far as it can: by an SSM session, say.
// Where the Route leads is looked up, until ctx ends. It does not wait for the rest, and
// its error is that of a login.
func (r *Route) Prepare(ctx context.Context) error {
	found, err := r.resolved(ctx, false)
	if err == nil {
		found.expect(ctx, 1)
	}
	return err
}

// TokenSource makes the password for one login as user. It is asked once per
// login, again when the first token was sent unasked and in vain, and again when
// a login is repeated after a Refusal; from many goroutines at once. The answer
// is never stored or logged.
type TokenSource interface {
	Token(ctx context.Context, user string) (Password, error)
}

// Password is what a login is done with. Logs, errors and fmt show "[redacted]" in
// its place; its method Reveal returns the words.
type Password = secret.Text

// NewPassword makes a Password of words.
func NewPassword(words string) Password { return secret.New(words) }

// Route is one database with the listeners that lead to it.
type Route struct {
	// Name is the database in logs and errors: its host as the user
	// typed it.
	Name string
	// Aliases are further names by which clients of a shared listener may choose
	// it.
	Aliases []string
	// Listen holds listeners that are open already, TCP or Unix. The Server
	// closes them.
	Listen []net.Listener
	// Address ("host:port") is what Dialer is asked for.
	Address string
	Dialer  Dialer
	// Tunnel says that Dialer goes through a tunnel, so that its time counts as
	// StageTunnel.
	Tunnel bool
	Tokens TokenSource
	// Passwords, when not nil, has the passwords of users who log in without a token.
	Passwords PasswordSource
	// ClearTextToken says that this database asks for a clear-text password only where it
	// wants a token. Then no password of Passwords answers that request.
	ClearTextToken bool
	// TLS returns the client configuration for one handshake, which is not changed: it may
	// be the same for all. It must verify the certificate for the database's own name,
	// which must be set as ServerName.
	TLS func() *tls.Config
	// RefreshTLS, when not nil, is asked once per login after the database's
	// certificate came from an unknown authority. nil means that TLS now returns
	// something else and the database is worth another dial. What the Detail and
	// Hint of an error say overrides what the proxy would say.
	RefreshTLS func(ctx context.Context, cause error) error
	// DirectTLS begins with the handshake, which saves the round trip of an
	// SSLRequest. It takes PostgreSQL 17, which must agree by ALPN.
	DirectTLS bool
	// Negotiation, when not nil, takes the place of DirectTLS: it begins with the
	// handshake and falls back to an SSLRequest. Routes to one server share it.
	Negotiation *Negotiation
	// AskFirst sends no password before the server has asked for one: one that expects
	// nothing then would cost each login a second connection.
	AskFirst bool
	// Ended, when not nil, is asked about a session that the database has ended by itself,
	// age after its connection was made. Its error says why, in place of what the proxy
	// would say; nil leaves that to the proxy. It must not block.
	Ended func(age time.Duration) error
	// Refusals, when not nil, explains why the database refuses a login, and says
	// when one is worth a second try. It is asked to explain only what the client
	// gets, within explainTimeout.
	Refusals Explainer
	// Alternative, when not nil, is asked for another way to make tokens after the
	// database has refused a login that began at since, and its repetition where that was
	// worth one. false means that there is none. It may ask others and must return when
	// ctx ends.
	Alternative func(ctx context.Context, r Refusal, since time.Time) (Alternative, bool)
	// User, when not empty, replaces the client's user in every login; all its
	// other parameters are kept. A database that the client does not name is
	// then, by PostgreSQL's rule, this user's.
	User string
	// Database is used when the client names none; empty leaves that to
	// PostgreSQL, which takes the user's name.
	Database string
	// OnlyDatabase says that the server has no other database than Database. A client that
	// names a database called as its user gets it too: libpq does that for a client that
	// names none.
	OnlyDatabase bool
	// Settings are run-time parameters that every login begins with, in place of
	// the client's own of these names. They go before what the client's options
	// parameter and ALTER ROLE or DATABASE say, but not before a later SET.
	Settings []Setting
	// Pooler, when not nil, is what clients are logged in at in place of PostgreSQL.
	Pooler *Pooler
	// ConfirmSettings refuses a login where the server does not report by a
	// ParameterStatus that default_transaction_read_only is on, if Settings switches it
	// on: a server that ignores start-up parameters would let the client write.
	ConfirmSettings bool

	// ReadyLogins is how many logins at most wait at the database for clients that will
	// come, 64 at most. One is made after a client has logged in, with the same
	// StartupMessage, and given to the next client that sends that; without one it is
	// dropped after a minute. Zero makes none.
	ReadyLogins int
	// Identity, when not nil, says for whom Tokens makes passwords now: any text that
	// changes with that, or "" where it takes a wait to know. A login made ready for
	// somebody else, or while nobody knew for whom, is given up. It must not block.
	Identity func() string

	// Moves says that a database that is found to be read-only may have another address
	// now, so that Resolve is to be asked again.
	Moves bool
	// PausesAfter is how long without a connection the database pauses after, which makes
	// the first login then slow; zero: it does not, or nobody knows. It is for words only.
	PausesAfter time.Duration

	// Resolve, when not nil, says for one login where the Route leads: what it
	// returns is used in place of the Route, but for Name, Aliases and Listen; User,
	// Database and Settings must be the same. It is called from many goroutines at
	// once, and what it returned before is worth keeping; stale says that the last
	// login found nothing there, or another server. Its errors reach the client as
	// a Dialer's do.
	Resolve func(ctx context.Context, stale bool) (Route, error)
	// As, when not nil, returns the way to the same database with the rights of a role
	// that a Grant names, for the client with this identity. It is called for each login,
	// from many goroutines at once.
	As func(role, identity string) (Route, error)
}

// Setting is a run-time parameter of PostgreSQL.
type Setting struct{ Name, Value string }

// check says what a Route lacks. On a shared listener it needs none of its own.
func (r *Route) check(shared bool) error {
	switch {
	case r.Name == "":
		return errors.New("proxy: a route without a name")
	case len(r.Listen) == 0 && !shared:
		return fmt.Errorf("proxy: route %q: no listener", r.Name)
	case r.ReadyLogins < 0 || r.ReadyLogins > maxReady:
		return fmt.Errorf("proxy: route %q: %d ready logins", r.Name, r.ReadyLogins)
	case strings.ContainsRune(r.User+r.Database, 0):
		return fmt.Errorf("proxy: route %q: NUL in user or database", r.Name)
	}
	if p := r.Pooler; p != nil && (p.Others < SetOthers || p.Others > RefuseOthers) {
		return fmt.Errorf("proxy: route %q: unknown Pooler.Others", r.Name)
	}
	for _, set := range r.Settings {
		if set.Name == "" || strings.ContainsRune(set.Name+set.Value, 0) {
			return fmt.Errorf("proxy: route %q: a setting without a name, or with a NUL", r.Name)
		}
	}
	if r.Resolve == nil {
		return r.leads()
	}
	return nil
}

// leads says what is lacking on the way to the database.
func (r *Route) leads() error {
	switch {
	case r.Address == "":
		return fmt.Errorf("proxy: route %q: no address", r.Name)
	case r.Dialer == nil || r.Tokens == nil || r.TLS == nil:
		return fmt.Errorf("proxy: route %q: Dialer, Tokens and TLS must be set", r.Name)
	}
	return nil
}

// resolved is the Route for one login. stale is as in Resolve.
func (r *Route) resolved(ctx context.Context, stale bool) (*Route, error) {
	if r.Resolve == nil {
		return r, nil
	}
	found, err := r.Resolve(ctx, stale)
	if err != nil {
		return nil, notFound.New(causes.Facts{"database": r.Name}, err)
	}
	full := found
	full.Name, full.Aliases, full.Listen, full.Resolve = r.Name, r.Aliases, r.Listen, nil
	return &full, full.leads()
}

// rewrite is the StartupMessage that the database gets: the client's, with this
// Route's user, database and settings where they apply. Version, order,
// duplicates and everything else stay as they are.
func (r *Route) rewrite(m startupMessage) startupMessage {
	params := m.params
	if r.User != "" {
		params = with(params, "user", r.User)
	}
	if named := m.value("database"); r.Database != "" && (named == "" || r.OnlyDatabase && named == m.value("user")) {
		params = with(params, "database", r.Database)
	}
	for _, set := range r.Settings {
		params = replace(params, set)
	}
	return startupMessage{version: m.version, params: params}
}

// replace returns params with set at the end and every other of its name gone:
// PostgreSQL takes names in any case, options before the parameters, and of one
// name the last.
//
// Source: postgres: src/backend/utils/init/postinit.c, process_startup_options;
// src/backend/utils/misc/guc.c, guc_name_compare.
func replace(params []param, set Setting) []param {
	others := slices.DeleteFunc(slices.Clone(params), func(p param) bool { return strings.EqualFold(p.name, set.Name) })
	return append(others, param{set.Name, set.Value})
}

// with returns params with every name set to value, or one added.
func with(params []param, name, value string) []param {
	params = slices.Clone(params)
	found := false
	for i := range params {
		if params[i].name == name {
			params[i].value, found = value, true
		}
	}
	if !found {
		params = append(params, param{name, value})
	}
	return params
}
