package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	rdsauth "github.com/aws/aws-sdk-go-v2/feature/rds/auth"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/credentials"
	"github.com/pgkeyless/pgkeyless/internal/iampolicy"
	"github.com/pgkeyless/pgkeyless/internal/partition"
	"github.com/pgkeyless/pgkeyless/internal/secret"
)

// TokensConfig says for which database, and with whose credentials, tokens are
// made.
type TokensConfig struct {
	Endpoint    Endpoint
	Region      string                  // the database's; empty means Endpoint.Region
	Credentials aws.CredentialsProvider // best a cache shared by all targets of a profile: Profiles
	Profile     string                  // as given to Profiles.Config; for errors only
}

// Tokens makes the passwords of one database: presigned requests that RDS checks
// as IAM would.
type Tokens struct {
	endpoint    Endpoint
	region      string
	credentials aws.CredentialsProvider
	profile     string
}

// NewTokens checks that tokens can be made at all: a causes.Misuse says that the
// region is missing or that the kind of endpoint is not supported.
func NewTokens(cfg TokensConfig) (*Tokens, error) {
	t := &Tokens{
		endpoint:    cfg.Endpoint,
		region:      cfg.Region,
		credentials: cfg.Credentials,
		profile:     cfg.Profile,
	}
	if t.region == "" {
		t.region = cfg.Endpoint.Region
	}
	switch {
	case t.endpoint.Host == "" || t.endpoint.Port == 0:
		return nil, errors.New("tokens need an endpoint with host and port")
	case t.credentials == nil:
		return nil, errors.New("tokens need credentials")
	case t.endpoint.Kind == KindRedshift:
		return nil, causes.MisuseOf(fmt.Errorf("%s is a Redshift endpoint, which is not supported yet", t.endpoint.Host), "Redshift issues temporary users and passwords instead of IAM tokens; connect to it directly")
	case t.region == "":
		return nil, causes.MisuseOf(fmt.Errorf("no AWS region for %s: neither its name nor the AWS configuration has one", t.endpoint.Host), credentials.RegionHelp)
	case !partition.MayBeRegion(t.region):
		return nil, causes.MisuseOf(fmt.Errorf("%q is not an AWS region", t.region), credentials.RegionHelp)
	}
	return t, nil
}

// tokenLife is the most that RDS accepts: a token that asks for longer is
// refused at login. DSQL would take a week.
const tokenLife = 15 * time.Minute

// Token is the password of one login. Logs, errors and fmt show "[redacted]" in its
// place; its method Reveal returns the words.
type Token = secret.Text

// Token signs a password for one login as user. It is signed anew each time,
// which costs microseconds, and waits only while credentials are retrieved. The
// credentials end a token early when they expire, so ones that have no time left
// are an error like every failure to get any. It never repeats a
// token or a key in an error.
func (t *Tokens) Token(ctx context.Context, user string) (Token, error) {
	if user == "" {
		return Token{}, errors.New("an IAM token needs a database user")
	}
	creds, err := credentials.Retrieve(ctx, t.credentials, t.profile)
	if err != nil {
		return Token{}, err
	}
	if t.endpoint.Kind == KindDSQL {
		return t.signDSQL(ctx, user, creds)
	}
	token, err := rdsauth.BuildAuthToken(ctx, t.endpoint.Address(), t.region, user,
		aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return creds, nil }))
	if err != nil {
		return Token{}, signingError(t.endpoint)
	}
	return secret.New(token), nil
}

// signingError stands in for the SDK's, which may repeat the URL it was signing.
func signingError(e Endpoint) error {
	return fmt.Errorf("signing an IAM token for %s: the SDK refused the request", e.Address())
}

// emptyPayload is the SHA-256 of no bytes.
const emptyPayload = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// signDSQL makes a token for DSQL, where host alone is signed: no port, and no
// user except that the administrator's action differs.
//
// The SDK's feature/dsql/auth does the same, but its module cannot be resolved
// by version list on the public proxy.
//
// Source: DSQL user guide, authentication-token.html.
func (t *Tokens) signDSQL(ctx context.Context, user string, creds aws.Credentials) (Token, error) {
	_, action, _ := strings.Cut(iampolicy.DSQLLoginAction(user), ":")
	query := url.Values{
		"Action":        {action},
		"X-Amz-Expires": {fmt.Sprint(int(tokenLife.Seconds()))},
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+t.endpoint.Host+"/?"+query.Encode(), nil)
	if err != nil {
		return Token{}, signingError(t.endpoint)
	}
	signed, _, err := v4.NewSigner().PresignHTTP(ctx, creds, request, emptyPayload, "dsql", t.region, time.Now().UTC())
	if err != nil {
		return Token{}, signingError(t.endpoint)
	}
	return secret.New(strings.TrimPrefix(signed, "https://")), nil
}
