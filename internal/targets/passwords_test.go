package targets

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	awscredentials "github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/credentials"
	"github.com/pgkeyless/pgkeyless/internal/database"
	"github.com/pgkeyless/pgkeyless/internal/discover"
	"github.com/pgkeyless/pgkeyless/internal/secretstore"
	"github.com/pgkeyless/pgkeyless/internal/testenv"
	"github.com/pgkeyless/pgkeyless/proxy"
)

// loginFor is a login at endpoint, with what RDS says of its database.
func loginFor(t *testing.T, w *Wiring, target config.Target, db discover.Database) Login {
	t.Helper()
	l, err := NewLogin(t.Context(), w.Profiles, target)
	if err != nil {
		t.Fatal(err)
	}
	l.Database = db
	return l
}

func TestWhoHasAPassword(t *testing.T) {
	testenv.Isolate(t)
	const arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:orders/app-AbCdEf"
	kept := discover.Database{Kind: database.Instance, Identifier: "orders", Region: "eu-central-1", MasterUser: "root", Secret: discover.MasterSecret{ARN: arn}}
	bare := kept
	bare.Secret = discover.MasterSecret{}
	express := kept
	express.Express = true
	const (
		proxied = "orders.proxy-c9akciq32abc.eu-central-1.rds.amazonaws.com"
		dsql    = "abcdefghijklmnopqrstuvwxyz.dsql.eu-central-1.on.aws"
	)
	for _, tt := range []struct {
		name, endpoint, secret, user string
		db                           discover.Database
		who, id, err                 string
	}{
		{"no secret", testenv.Orders, "", "app", kept, "", "", ""},
		{"a name", testenv.Orders, "orders/app", "app", discover.Database{}, "app", "orders/app", ""},
		{"an ARN", testenv.Orders, arn, "app", bare, "app", arn, ""},
		{"managed", testenv.Orders, "managed", "", kept, "root", arn, ""},
		{"managed, with a user", testenv.Orders, "managed", "admin", kept, "admin", arn, ""},
		{"managed, and there is none", testenv.Orders, "managed", "", bare, "root", "", ""},
		{"through a proxy", proxied, "orders/app", "app", discover.Database{}, "app", "orders/app", ""},
		{"managed, through a proxy", proxied, "managed", "", discover.Database{}, "", "", "an RDS Proxy has no master user"},
		{"DSQL", dsql, "orders/app", "app", discover.Database{}, "", "", "Aurora DSQL knows IAM tokens only"},
		{"express", testenv.Orders, "managed", "", express, "", "", "an Aurora express cluster knows IAM tokens only"},
		{"managed, elsewhere", "db.corp.example", "managed", "", discover.Database{}, "", "", "takes a database of RDS"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("AWS_REGION", "eu-central-1")
			w := New(slog.New(slog.DiscardHandler), new(credentials.Profiles))
			target := testenv.Target(tt.endpoint, func(o *config.Options) { o.Secret, o.User, o.Via = tt.secret, tt.user, config.ViaNone })
			route, err := w.RouteTo(target, loginFor(t, w, target, tt.db))
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) || !causes.Misused(err) || causes.Hint(err) == "" {
					t.Errorf("got %v, want %q", err, tt.err)
				}
				if none := strings.Contains(tt.err, "IAM tokens only"); strings.Contains(causes.Hint(err), "name a secret") == none {
					t.Errorf("%s: the hint is %q", tt.err, causes.Hint(err))
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if tt.who == "" {
				if route.Passwords != nil {
					t.Error("somebody has a password")
				}
				return
			}
			p := route.Passwords.(*Passwords)
			if !route.ClearTextToken {
				t.Error("a password goes out in clear text")
			}
			if !p.Has(tt.who) || p.Has(tt.who+"2") || p.Has("") {
				t.Errorf("the password is %q's, want %q's", p.User, tt.who)
			}
			if got, want := UsualUser(target, route), map[bool]string{true: tt.who, false: tt.user}[tt.id != ""]; got != want {
				t.Errorf("clients that choose no user are %q, want %q", got, want)
			}
			if tt.id == "" {
				if _, err := p.Password(t.Context(), tt.who); causes.Name(err) != "no-managed-secret" || !causes.Stale(err) {
					t.Errorf("got %v", err)
				}
			} else if p.Secret().ID() != tt.id {
				t.Errorf("secret %s, want %s", p.Secret().ID(), tt.id)
			}
		})
	}
}

// A user who logs in with a password has no token: one would be refused.
func TestTokensAreForUsersWithoutAPassword(t *testing.T) {
	testenv.Isolate(t)
	t.Setenv("AWS_REGION", "eu-central-1")
	const arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:rds!db-0123-AbCdEf"
	kept := discover.Database{Kind: database.Instance, Identifier: "orders", Region: "eu-central-1", MasterUser: "root", Secret: discover.MasterSecret{ARN: arn}}
	bare, express := kept, kept
	bare.Secret, express.Express = discover.MasterSecret{}, true
	const token = `no IAM token for user "app": target "` + testenv.Orders + `" has the option secret, so this user logs in with the password in secret orders/app`
	for _, tt := range []struct {
		name, secret, user string
		db                 discover.Database
		err, hint          string // "" makes the token
	}{
		{"no secret", "", "app", discover.Database{}, "", ""},
		{"a name", "orders/app", "app", discover.Database{}, token,
			"`aws secretsmanager get-secret-value --secret-id orders/app --region eu-central-1 --query SecretString --output text`; for an IAM token of another user: `pgkeyless token " + testenv.Orders + ":5432 --user NAME`"},
		{"managed, nobody named", "managed", "", kept, `no IAM token for user "root"`, "--secret-id '" + arn + "' --region eu-west-1"},
		{"managed, the master user", "managed", "root", kept, `no IAM token for user "root"`, "`pgkeyless token " + testenv.Orders + " --user NAME`"},
		{"managed, another user", "managed", "app", kept, "", ""},
		{"managed, and there is none", "managed", "root", bare, "RDS keeps no secret for the master user", "--manage-master-user-password"},
		{"managed, there is none, another user", "managed", "app", bare, "", ""},
		{"express", "managed", "app", express, "knows IAM tokens only", "leave out secret"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := New(slog.New(slog.DiscardHandler), new(credentials.Profiles))
			target := testenv.Target(testenv.Orders, func(o *config.Options) { o.Secret, o.User = tt.secret, tt.user })
			err := byPassword(t.Context(), target, loginFor(t, w, target, tt.db), tt.user)
			switch {
			case tt.err == "" && err != nil:
				t.Errorf("got %v", err)
			case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err) || !strings.Contains(causes.Hint(err), tt.hint)):
				t.Errorf("got %v, hint %q, want %q, %q", err, causes.Hint(err), tt.err, tt.hint)
			}
		})
	}
}

// What to do about it names the profile, without which it would be done by somebody else.
func TestHintsAboutTokensNameTheProfile(t *testing.T) {
	testenv.Isolate(t)
	t.Setenv("AWS_REGION", "eu-central-1")
	target := testenv.Target(testenv.Orders, func(o *config.Options) { o.Secret, o.User = "orders/app", "app" })
	w := New(slog.New(slog.DiscardHandler), new(credentials.Profiles))
	l := loginFor(t, w, target, discover.Database{})
	target.Profile = "my dev"
	hint := causes.Hint(byPassword(t.Context(), target, l, "app"))
	for _, want := range []string{"--region eu-central-1 --profile 'my dev' --query", ":5432 --profile 'my dev' --user NAME"} {
		if !strings.Contains(hint, want) {
			t.Errorf("hint %q, want %q in it", hint, want)
		}
	}
}

// Targets of one secret and one identity share what is in memory; others do not.
func TestSecretsAreShared(t *testing.T) {
	testenv.Isolate(t)
	w := New(slog.New(slog.DiscardHandler), new(credentials.Profiles))
	of := func(change func(*config.Options), person personKey) *Passwords {
		t.Helper()
		target := testenv.Target(testenv.Orders, func(o *config.Options) {
			o.Secret, o.User, o.Via = "orders/app", "app", config.ViaNone
			if change != nil {
				change(o)
			}
		})
		l := loginFor(t, w, target, discover.Database{})
		l.person = person
		p, err := w.Passwords(target, l)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	nobody := personKey{}
	first := of(nil, nobody)
	if of(nil, nobody).Secret() != first.Secret() {
		t.Error("the same secret is read twice")
	}
	if of(func(o *config.Options) { o.User = "other" }, nobody).Secret() == first.Secret() ||
		of(nil, personKey{profile: "p", Assumed: credentials.Assumed{Role: "r", Person: "ada"}}).Secret() == first.Secret() {
		t.Error("a secret is shared with another user, or with a person who may not read it")
	}
	forget, _ := w.SetSecretsAside()
	if of(nil, nobody).Secret() == first.Secret() {
		t.Error("what was read before a reload is still in use")
	}
	forget()
}

// manager is Secrets Manager, which has each secret once.
type manager struct{ reads atomic.Int32 }

func (m *manager) Do(*http.Request) (*http.Response, error) {
	m.reads.Add(1)
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}},
		Body: io.NopCloser(strings.NewReader(`{"SecretString":"one","VersionId":"1"}`))}, nil
}

// passwordsFrom are those of user app, for a person, from m.
func passwordsFrom(t *testing.T, w *Wiring, m *manager, id string, person personKey) *Passwords {
	t.Helper()
	target := testenv.Target(testenv.Orders, func(o *config.Options) { o.Secret, o.User, o.Via = id, "app", config.ViaNone })
	l := loginFor(t, w, target, discover.Database{})
	l.person, l.AWS.HTTPClient = person, m
	l.AWS.Credentials = awscredentials.NewStaticCredentialsProvider("a", "b", "")
	p, err := w.Passwords(target, l)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// A reload that fails leaves the passwords in memory, but for those of people who have left;
// one that succeeds leaves none from before.
func TestSecretsSetAside(t *testing.T) {
	testenv.Isolate(t)
	var (
		m      manager
		w      = New(slog.New(slog.DiscardHandler), new(credentials.Profiles))
		ada    = personKey{profile: "p", Assumed: credentials.Assumed{Role: "r", Person: "ada"}}
		gone   = personKey{profile: "p", Assumed: credentials.Assumed{Role: "r", Person: "bob"}}
		nobody personKey
	)
	w.people[ada] = &person{used: time.Now()}
	read := func(p *Passwords, want int32) {
		t.Helper()
		before := m.reads.Load()
		if words, err := p.Password(t.Context(), "app"); err != nil || words.Reveal() != "one" {
			t.Errorf("got %q, %v", words.Reveal(), err)
		}
		if n := m.reads.Load() - before; n != want {
			t.Errorf("%d reads, want %d", n, want)
		}
	}
	old, hers, his := passwordsFrom(t, w, &m, "orders/app", nobody), passwordsFrom(t, w, &m, "orders/app", ada), passwordsFrom(t, w, &m, "orders/app", gone)
	for _, p := range []*Passwords{old, hers, his} {
		read(p, 1)
	}

	_, undo := w.SetSecretsAside()
	again, added := passwordsFrom(t, w, &m, "orders/app", nobody), passwordsFrom(t, w, &m, "orders/late", nobody)
	read(old, 0) // what is served meanwhile
	read(again, 1)
	read(added, 1)
	twice := again.Secret()
	undo()
	for _, p := range []*Passwords{old, hers, added, again} { // again's may be a route that was looked up meanwhile
		read(p, 0)
	}
	if passwordsFrom(t, w, &m, "orders/app", nobody).Secret() != old.Secret() || again.Rotation("app") != old.Rotation("app") {
		t.Error("the secret from before is not in use")
	}
	for _, s := range []*secretstore.Secret{twice, his.Secret()} {
		if s.Last().Version != "" {
			t.Error("a password that nobody needs is still in memory")
		}
	}

	forget, _ := w.SetSecretsAside()
	forget()
	for _, p := range []*Passwords{old, hers, added, again} {
		if p.Secret().Last().Version != "" {
			t.Error("a password from before is still in memory")
		}
	}
}

// Refusals of a user with a password are told as such, and those of others as before.
func TestRefusedPasswordsAreExplained(t *testing.T) {
	testenv.Isolate(t)
	w := New(slog.New(slog.DiscardHandler), new(credentials.Profiles))
	target := testenv.Target(testenv.Orders, func(o *config.Options) { o.Secret, o.User = "orders/app", "app" })
	route, err := w.RouteTo(target, loginFor(t, w, target, discover.Database{}))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := nobodyToAsk(t)
	defer cancel()
	const tried = "with the password in secret orders/app"
	for _, tt := range []struct {
		refusal             proxy.Refusal
		cause, detail, hint string
	}{
		{proxy.Refusal{User: "app", SQLState: "28P01", Message: `password authentication failed for user "app"`}, "secret-refused", tried, "rotation"},
		{proxy.Refusal{User: "app", SQLState: "28000", Message: `PAM authentication failed for user "app"`}, "secret-user-by-iam", tried, `REVOKE rds_iam FROM "app"`},
		{proxy.Refusal{User: "app", SQLState: "28000", Asked: proxy.AskedToken}, "secret-user-by-iam", "in secret orders/app", `REVOKE rds_iam FROM "app"`},
		{proxy.Refusal{User: "app", SQLState: "28000", Asked: "SCRAM-SHA-256-PLUS"}, "secret-unfit", tried, "Ed25519"},
		{proxy.Refusal{User: "app", SQLState: "28000", Asked: "GSSAPI"}, "secret-unfit", tried, "SCRAM-SHA-256"},
		{proxy.Refusal{User: "app", SQLState: "28000", Message: `role "app" is not permitted to log in`}, "no-login", tried, "ALTER ROLE"},
		{proxy.Refusal{User: "app", SQLState: "3D000", Message: `database "x" does not exist`}, "no-database", "the login succeeded", "case-sensitive"},
		{proxy.Refusal{User: "app", SQLState: "28000", Message: "no"}, "", tried, ""},
		{proxy.Refusal{User: "app", SQLState: "53300", Message: "sorry, too many clients already"}, "", "", ""},
		{proxy.Refusal{User: "other", SQLState: "28P01", Message: `password authentication failed for user "other"`}, "user-not-granted", "with an IAM token", "secret=NAME"},
	} {
		got := route.Refusals.Explain(ctx, tt.refusal)
		if got.Cause != tt.cause || !strings.Contains(got.Detail, tt.detail) || !strings.Contains(got.Hint, tt.hint) || tt.detail == "" && got.Detail != "" {
			t.Errorf("%+v: %+v, want %s, %q, %q", tt.refusal, got, tt.cause, tt.detail, tt.hint)
		}
		if tt.refusal.User == "app" && route.Refusals.Passing(tt.refusal) {
			t.Errorf("%+v is tried again with another token", tt.refusal)
		}
	}
}

// nobodyToAsk is a context in which AWS is not asked.
func nobodyToAsk(t *testing.T) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx, cancel
}

// Two databases may have one secret: what one of them says of the password is nothing to the
// other.
func TestEachDatabaseHasARotationOfItsOwn(t *testing.T) {
	testenv.Isolate(t)
	w := New(slog.New(slog.DiscardHandler), new(credentials.Profiles))
	of := func(endpoint string) *Passwords {
		t.Helper()
		target := testenv.Target(endpoint, func(o *config.Options) { o.Secret, o.User = "shared/app", "app" })
		p, err := w.Passwords(target, loginFor(t, w, target, discover.Database{}))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	orders, again, billing := of(testenv.Orders), of(testenv.Orders), of(testenv.Billing)
	if orders.Secret() != billing.Secret() {
		t.Error("the secret is read for each database")
	}
	if orders.Rotation("app") != again.Rotation("app") || orders.Rotation("app") == billing.Rotation("app") {
		t.Error("the rotation is not that of one database")
	}
}
