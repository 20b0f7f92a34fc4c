package credentials

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/logincreds"
	"github.com/aws/aws-sdk-go-v2/service/signin"

	"github.com/pgkeyless/pgkeyless/internal/secret"
	"github.com/pgkeyless/pgkeyless/internal/sharedfiles"
)

// login uses the session of `aws login` that s names.
func (c *chain) login(s sharedfiles.Section) (aws.CredentialsProvider, error) {
	path, err := logincreds.StandardCachedTokenFilepath(s.Get("login_session"), os.Getenv("AWS_LOGIN_CACHE_DIRECTORY"))
	if err != nil {
		return nil, err
	}
	return &loginProvider{path: path, cfg: c.from(aws.AnonymousCredentials{}), sessions: c.p.sessions, warn: c.p.warn}, nil
}

// loginProvider is the SDK's provider, except that what was refreshed is kept when
// its cache file cannot be written: its refresh token serves once.
type loginProvider struct {
	path     string
	cfg      aws.Config
	sessions *loginSessions
	warn     func(message string, facts ...any)
}

// loginSessions are those that could not be written to their cache files. The zero
// value is ready.
type loginSessions struct {
	mu     sync.Mutex
	kept   map[string]keptLogin // by path
	warned bool
}

// keptLogin is what follows a cache file.
type keptLogin struct {
	after, refresh string // the file's refresh token, and the one that came for it
	written        time.Time
	keys           aws.Credentials
}

// String, GoString and LogValue keep tokens out of logs.
func (keptLogin) String() string       { return secret.Text{}.String() }
func (keptLogin) GoString() string     { return secret.Text{}.GoString() }
func (keptLogin) LogValue() slog.Value { return secret.Text{}.LogValue() }

// Retrieve implements aws.CredentialsProvider.
func (p *loginProvider) Retrieve(ctx context.Context) (aws.Credentials, error) {
	p.sessions.mu.Lock()
	defer p.sessions.mu.Unlock()
	var written time.Time
	if info, err := os.Stat(p.path); err == nil {
		written = info.ModTime()
	}
	kept := p.sessions.kept[p.path]
	if kept.keys.HasKeys() && kept.written.Equal(written) && time.Now().Before(kept.keys.Expires) {
		return kept.keys, nil
	}
	client := &loginClient{Client: signin.NewFromConfig(p.cfg), kept: kept}
	keys, err := logincreds.New(client, p.path, func(o *logincreds.Options) {
		o.RestrictPermissions = p.cfg.RestrictFilePermissions != aws.RestrictFilePermissionsUnrestricted
	}).Retrieve(ctx)
	if err == nil || !client.refreshed.keys.HasKeys() || !strings.HasPrefix(err.Error(), "save token: ") {
		return keys, err
	}
	if p.sessions.kept == nil {
		p.sessions.kept = map[string]keptLogin{}
	}
	client.refreshed.written = written
	p.sessions.kept[p.path] = client.refreshed
	if !p.sessions.warned {
		p.sessions.warned = true
		p.warn("the login session cannot be written to its cache file; this process keeps it, and other tools will ask for a login", "error", strings.TrimPrefix(err.Error(), "save token: "))
	}
	return client.refreshed.keys, nil
}

// loginClient refreshes a login session, with the token that came last.
type loginClient struct {
	*signin.Client
	kept, refreshed keptLogin
}

// CreateOAuth2Token implements logincreds.TokenAPIClient.
func (c *loginClient) CreateOAuth2Token(ctx context.Context, in *signin.CreateOAuth2TokenInput, options ...func(*signin.Options)) (*signin.CreateOAuth2TokenOutput, error) {
	after := aws.ToString(in.TokenInput.RefreshToken)
	if c.kept.refresh != "" && c.kept.after == after {
		in.TokenInput.RefreshToken = aws.String(c.kept.refresh)
	}
	out, err := c.Client.CreateOAuth2Token(ctx, in, options...)
	if err == nil && out.TokenOutput != nil && out.TokenOutput.AccessToken != nil {
		t := out.TokenOutput
		c.refreshed = keptLogin{after: after, refresh: aws.ToString(t.RefreshToken), keys: aws.Credentials{
			AccessKeyID:     aws.ToString(t.AccessToken.AccessKeyId),
			SecretAccessKey: aws.ToString(t.AccessToken.SecretAccessKey),
			SessionToken:    aws.ToString(t.AccessToken.SessionToken),
			Source:          logincreds.ProviderName,
			CanExpire:       true,
			Expires:         time.Now().Add(time.Duration(aws.ToInt32(t.ExpiresIn)) * time.Second),
		}}
	}
	return out, err
}
