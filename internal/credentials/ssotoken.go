package credentials

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/ssocreds"
	"github.com/aws/aws-sdk-go-v2/service/sso"
	"github.com/aws/aws-sdk-go-v2/service/ssooidc"

	"github.com/pgkeyless/pgkeyless/internal/sharedfiles"
)

// ssoSession is one login that profiles share.
type ssoSession struct {
	profile, key  string // key names the cache file
	startURL      string
	region        string
	scopes        []string // none for profiles without an sso-session, which cannot be refreshed
	account, role string   // whose credentials are wanted
}

// ssoSession reads what s says of SSO. What is missing or contradicts itself is
// an error.
func (c *chain) ssoSession(s sharedfiles.Section) (ssoSession, error) {
	session := ssoSession{profile: s.Name, key: s.Get("sso_start_url"), startURL: s.Get("sso_start_url"), region: s.Get("sso_region"),
		account: s.Get("sso_account_id"), role: s.Get("sso_role_name")}
	need := func(in sharedfiles.Section, section string, keys ...string) error {
		for _, key := range keys {
			if in.Get(key) == "" {
				return &broken{what: fmt.Sprintf("%s has no %s", section, key), where: in.Place(), fix: fmt.Sprintf("add %s there; `aws configure sso` writes a whole profile", key)}
			}
		}
		return nil
	}
	own := fmt.Sprintf("profile %q uses SSO and", s.Name)
	name := s.Get("sso_session")
	if name == "" {
		return session, need(s, own, "sso_start_url", "sso_region", "sso_account_id", "sso_role_name")
	}
	shared, ok := c.files.SSOSession(name)
	if !ok {
		return session, &broken{what: fmt.Sprintf("sso_session %q of profile %q does not exist", name, s.Name), where: s.Where("sso_session"),
			fix: fmt.Sprintf("correct the name there, or add [sso-session %s] with sso_start_url and sso_region to %s", name, c.files.Config.Path)}
	}
	if shared.Place() == "" {
		return session, &broken{what: fmt.Sprintf("[sso-session %s] has no sso_region", name), where: "an empty section of " + c.files.Config.Path, fix: "add sso_region and sso_start_url there"}
	}
	if err := need(shared, fmt.Sprintf("[sso-session %s]", name), "sso_region", "sso_start_url"); err != nil {
		return session, err
	}
	for _, key := range []string{"sso_region", "sso_start_url"} {
		if mine := s.Get(key); mine != "" && mine != shared.Get(key) {
			return session, &broken{what: fmt.Sprintf("%s of profile %q is not that of [sso-session %s]", key, s.Name, name),
				where: s.Where(key) + "; " + shared.Where(key), fix: fmt.Sprintf("remove %s from the profile", key)}
		}
	}
	session.key, session.startURL, session.region, session.scopes = name, shared.Get("sso_start_url"), shared.Get("sso_region"), []string{ssoScope}
	return session, need(s, own, "sso_account_id", "sso_role_name")
}

// ssoLoginNeeded finds the SSO session that the profile draws from, perhaps through
// source profiles. s may be nil.
func (s *settings) ssoLoginNeeded() (ssoSession, bool) {
	if s == nil {
		return ssoSession{}, false
	}
	for _, p := range s.used {
		if !hasSSO(p) {
			continue
		}
		session, err := (&chain{settings: s}).ssoSession(p)
		return session, err == nil
	}
	return ssoSession{}, false
}

// withoutFIPS is cfg for IAM Identity Center, which has no FIPS endpoints.
//
// Source: AWS General Reference, sso.html and sso-oidc.html (no "-fips" names).
func withoutFIPS(cfg aws.Config, region string) aws.Config {
	cfg = cfg.Copy()
	cfg.Region, cfg.Credentials = region, aws.AnonymousCredentials{}
	cfg.ConfigSources = append([]any{noFIPS{}}, cfg.ConfigSources...)
	return cfg
}

// noFIPS is a source of configuration that overrides others.
type noFIPS struct{}

// GetUseFIPSEndpoint is what the SDK's clients ask.
func (noFIPS) GetUseFIPSEndpoint(context.Context) (aws.FIPSEndpointState, bool, error) {
	return aws.FIPSEndpointStateDisabled, true, nil
}

// ssoProvider exchanges the token of an SSO session for the credentials of a role.
type ssoProvider struct {
	session ssoSession
	cfg     aws.Config
	tokens  *ssoTokens
	warn    func(message string, facts ...any)
}

// Retrieve implements aws.CredentialsProvider.
func (p *ssoProvider) Retrieve(ctx context.Context) (aws.Credentials, error) {
	token, err := p.tokens.current(ctx, p)
	if err != nil {
		return aws.Credentials{}, err
	}
	out, err := sso.NewFromConfig(withoutFIPS(p.cfg, p.session.region)).GetRoleCredentials(ctx, &sso.GetRoleCredentialsInput{
		AccessToken: aws.String(token.AccessToken), AccountId: aws.String(p.session.account), RoleName: aws.String(p.session.role),
	})
	if err != nil {
		return aws.Credentials{}, err
	}
	if out.RoleCredentials == nil {
		return aws.Credentials{}, errors.New("the SSO service gave no credentials")
	}
	return aws.Credentials{
		AccessKeyID:     aws.ToString(out.RoleCredentials.AccessKeyId),
		SecretAccessKey: aws.ToString(out.RoleCredentials.SecretAccessKey),
		SessionToken:    aws.ToString(out.RoleCredentials.SessionToken),
		CanExpire:       true,
		Expires:         time.UnixMilli(out.RoleCredentials.Expiration).UTC(),
		Source:          ssocreds.ProviderName,
		AccountID:       p.session.account,
	}, nil
}

// ssoTokens are the tokens of SSO sessions that could not be written to their
// cache files, for the life of the process: a refresh token serves once. The zero
// value is ready.
type ssoTokens struct {
	write func(path string, token ssoLoginToken) error // nil is writeSSOToken

	mu     sync.Mutex
	kept   map[string]ssoLoginToken // by path
	warned bool
}

// ssoTokenError is an SSO session without a token that serves.
type ssoTokenError struct{ said string }

func (e *ssoTokenError) Error() string { return e.said }

// current returns a token that has not expired, refreshing it where that can be
// done.
func (t *ssoTokens) current(ctx context.Context, p *ssoProvider) (ssoLoginToken, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	path, err := ssocreds.StandardCachedTokenFilepath(p.session.key)
	if err != nil {
		return ssoLoginToken{}, err
	}
	token, err := loadSSOToken(path)
	if kept, ok := t.kept[path]; ok && (err != nil || kept.ExpiresAt.After(token.ExpiresAt)) {
		token, err = kept, nil
	}
	switch {
	case err != nil:
		return ssoLoginToken{}, &ssoTokenError{fmt.Sprintf("the cached SSO token cannot be read: %v", err)}
	case time.Now().Before(token.ExpiresAt):
		return token, nil
	case p.session.scopes == nil:
		return ssoLoginToken{}, &ssoTokenError{"the SSO session has expired or is invalid"}
	case token.ClientID == "" || token.ClientSecret == "" || token.RefreshToken == "":
		return ssoLoginToken{}, &ssoTokenError{"the cached SSO token is expired and cannot be refreshed"}
	}
	created, err := ssooidc.NewFromConfig(withoutFIPS(p.cfg, p.session.region)).CreateToken(ctx, &ssooidc.CreateTokenInput{
		ClientId: aws.String(token.ClientID), ClientSecret: aws.String(token.ClientSecret),
		RefreshToken: aws.String(token.RefreshToken), GrantType: aws.String("refresh_token"),
	})
	if err != nil {
		return ssoLoginToken{}, fmt.Errorf("refreshing the cached SSO token: %w", err)
	}
	token.AccessToken = aws.ToString(created.AccessToken)
	token.ExpiresAt = time.Now().Add(time.Duration(created.ExpiresIn) * time.Second).UTC().Truncate(time.Second)
	if next := aws.ToString(created.RefreshToken); next != "" {
		token.RefreshToken = next
	}
	t.store(path, token, p.warn)
	return token, nil
}

// keep is store for the session key, from outside.
func (t *ssoTokens) keep(key string, token ssoLoginToken, warn func(string, ...any)) error {
	path, err := ssocreds.StandardCachedTokenFilepath(key)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.store(path, token, warn)
	return nil
}

// store writes token to path, where the SDKs and the AWS CLI look for it. Where
// that cannot be done it is kept here, and said so once. t.mu is held.
func (t *ssoTokens) store(path string, token ssoLoginToken, warn func(string, ...any)) {
	write := writeSSOToken
	if t.write != nil {
		write = t.write
	}
	err := write(path, token)
	if err == nil {
		delete(t.kept, path)
		return
	}
	if t.kept == nil {
		t.kept = map[string]ssoLoginToken{}
	}
	t.kept[path] = token
	if !t.warned {
		t.warned = true
		warn("the SSO token cannot be written to its cache file; this process keeps it, and other tools will ask for a login", "error", err.Error())
	}
}
