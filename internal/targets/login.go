package targets

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/pgkeyless/pgkeyless/auth"
	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/credentials"
	"github.com/pgkeyless/pgkeyless/internal/discover"
	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/internal/shell"
	"github.com/pgkeyless/pgkeyless/tunnel"
)

// Login is what it takes to log in to a target's database.
type Login struct {
	Endpoint      auth.Endpoint
	regionGuessed bool       // not the endpoint's own, nor the user's word
	AWS           aws.Config // in the database's region
	asks          aws.Config // what look-ups are made with; AWS, unless that is a person's
	tokens        *auth.Tokens
	Database      discover.Database // as AWS described it; zero when it was not asked
	describes     *describer        // nil: none yet
	switchover    *switchover       // nil: none yet
	person        personKey         // whose AWS is; the zero value: nobody's in particular
}

// NewLogin finds out where t leads, by asking AWS when it must be looked up.
func NewLogin(ctx context.Context, profiles *credentials.Profiles, t config.Target) (Login, error) {
	if t.Ref != "" {
		return ask(ctx, profiles, t)
	}
	endpoint, err := auth.ParseEndpoint(t.Endpoint)
	if err != nil {
		return Login{}, err
	}
	if err := oneRegion(t, endpoint.Region); err != nil {
		return Login{}, err
	}
	endpoint = endpoint.InRegion(t.Region)
	cfg, err := profiles.Config(ctx, t.Profile, endpoint.Region)
	if err != nil {
		return Login{}, err
	}
	l, err := loginAt(endpoint.InRegion(cfg.Region), cfg, t) // AWS_REGION or the profile's, where the name has none
	l.regionGuessed = endpoint.Region == ""
	return l, err
}

// Public reports whether the database is reached over the internet: no jump host is
// needed, nor would one help.
func (l Login) Public() bool {
	return l.Database.Express || l.Endpoint.Kind == auth.KindDSQL && !l.Endpoint.PrivateLink()
}

// Way is t with the way to l's database, which is the direct one to a public database
// that t names no jump host for.
func Way(t config.Target, l Login) (config.Target, error) {
	switch {
	case t.Via != "":
		return t, nil
	case !l.Public():
		err := t.NoWay()
		return t, causes.Misuse(err.Error(), causes.Hint(err))
	}
	t.Via = config.ViaNone
	return t, nil
}

// oneRegion says when t's name and its option region contradict each other.
func oneRegion(t config.Target, named string) error {
	if t.Region == "" || named == "" || t.Region == named {
		return nil
	}
	return causes.Misuse(fmt.Sprintf("target %q is in %s by its name, and in %s by the option region", t.Name, named, t.Region),
		fmt.Sprintf("leave the region out, the name has it; for another target only, give it there: 'TARGET?region=%s'", t.Region))
}

// loginAt is a login at endpoint with cfg, both in the database's region.
func loginAt(endpoint auth.Endpoint, cfg aws.Config, t config.Target) (Login, error) {
	tokens, err := auth.NewTokens(auth.TokensConfig{Endpoint: endpoint, Credentials: cfg.Credentials, Profile: t.Profile})
	if err != nil {
		return Login{}, err
	}
	return Login{Endpoint: endpoint, AWS: cfg, asks: cfg, tokens: tokens}, nil
}

// tunnelConfig is for sessions on t's jump host, which is taken to be in the
// database's region.
func (l Login) tunnelConfig(t config.Target, log *slog.Logger) tunnel.Config {
	api := tunnel.NewAPI(l.AWS)
	p := poolOf(t)
	messages, _ := messagesEndpoint(t)
	return tunnel.Config{
		API:         api,
		Credentials: l.AWS.Credentials,
		Region:      l.Endpoint.Region,
		Target:      t.Via,
		Reason:      l.reason(),
		Profile:     t.Profile,
		Explain: func(err error) error {
			err = credentials.Explain(t.Profile, err)
			if _, blamed := credentials.Blamed(err); blamed {
				credentials.Reread(l.AWS.Credentials)
			}
			return err
		},
		// The client has sorted out AWS_ENDPOINT_URL_SSM, AWS_ENDPOINT_URL, the
		// services section and AWS_IGNORE_CONFIGURED_ENDPOINT_URLS.
		EndpointOverride: api.EndpointOverride(),
		MessagesEndpoint: messages,
		HTTPClient:       credentials.HTTPClient(l.AWS),
		Sessions:         p.sessions,
		MaxAge:           p.age,
		NoKeepAlive:      !p.keepAlive,
		Log:              log,
	}
}

// maxReason is how long the Reason of StartSession may be, in characters.
//
// Source: AWS Systems Manager API reference, StartSession.
const maxReason = 256

// reason is what the session history says of SSM sessions: for whom they are. "" leaves
// that to the tunnel.
func (l Login) reason() string {
	if l.person.Person == "" {
		return ""
	}
	words := []rune("pgkeyless for " + display.Line(l.person.Person))
	return string(words[:min(len(words), maxReason)])
}

// IAMToken makes the password for one login as t.User, or else as the user that every
// database of its kind has. It is a causes.Misuse where there is no such user, and for one
// who logs in with the password in t.Secret.
func IAMToken(ctx context.Context, t config.Target, profiles *credentials.Profiles) (auth.Token, error) {
	t, err := behind(ctx, discover.LookupAliases, t)
	if err != nil {
		return auth.Token{}, err
	}
	l, err := NewLogin(ctx, profiles, t)
	if err != nil {
		return auth.Token{}, err
	}
	user := l.UsualUser(t)
	if err := byPassword(ctx, t, l, user); err != nil {
		return auth.Token{}, err
	}
	if user == "" {
		return auth.Token{}, causes.Misuse("no database user given", "a token is for one user: add --user NAME")
	}
	return l.tokens.Token(ctx, user)
}

// byPassword is an error where user logs in to t's database, which is l's, with a password
// in place of a token. Without a user, that is the user of t.Secret. AWS is asked whose the
// secret is that RDS keeps.
func byPassword(ctx context.Context, t config.Target, l Login, user string) error {
	if t.Secret == "" {
		return nil
	}
	owner, id, others := t.User, t.Secret, l.Endpoint.Address()
	if t.Managed() {
		var err error
		if l, err = l.Described(ctx, t); err != nil {
			return err
		}
		owner, id, others = l.Database.MasterUser, l.Database.Secret.ARN, t.Arg()
	}
	if err := needless(t, l); err != nil {
		return err
	}
	switch {
	case user != "" && user != owner:
		return nil
	case id == "":
		return noManagedSecret(l)
	}
	profile := ""
	if t.Profile != "" {
		profile = " --profile " + shell.Word(t.Profile)
	}
	return causes.Misuse(fmt.Sprintf("no IAM token for user %q: target %q has the option secret, so this user logs in with the password in secret %s", owner, t.Name, display.Line(id)),
		fmt.Sprintf("read the password: `aws secretsmanager get-secret-value --secret-id %s --region %s%s --query SecretString --output text`; "+
			"for an IAM token of another user: `pgkeyless token %s%s --user NAME`", shell.Word(id), regionOf(id, l), profile, shell.Word(others), profile))
}
