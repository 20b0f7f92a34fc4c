package credentials

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// How long credentials are asked for and kept.
const (
	// retrieveTimeout ends one retrieval: an SSO or STS call with its retries,
	// or a credential_process (whose own limit in the SDK is a minute).
	retrieveTimeout = time.Minute

	// renewBefore is how long before their end credentials are renewed. A token
	// must find them valid when the database checks it, which a tunnel and a
	// paused Aurora can put off by many seconds.
	renewBefore = time.Minute

	// lastMoment is when credentials that could not be had any fresher count as
	// expired.
	lastMoment = 5 * time.Second

	// rereadAfter is how long keys from a shared file are kept, less lastMoment.
	// The file may hold temporary keys without saying until when, and be replaced
	// by a tool that renews them.
	rereadAfter = 30 * time.Second
)

// Profiles holds the configuration of each profile in use, so that all targets
// of a profile share one credentials cache: a burst of logins makes one
// retrieval, and one question to a person. Failures are not kept. The zero value
// is ready, and asks nobody.
type Profiles struct {
	People People // set before first use

	mu     sync.Mutex
	turn   turn
	logins ssoLogins
	loaded map[string]aws.Config // by the name asked for; "" is the SDK's own choice
}

// Config returns the configuration of profile, which is read on first use. An
// empty profile is the SDK's own choice: keys in the environment, AWS_PROFILE,
// the default profile. A region that is not empty replaces the profile's.
//
// Credentials are not retrieved yet, but a profile that does not exist, cannot
// be read or wants an MFA code is an error here, which Blamed finds.
func (p *Profiles) Config(ctx context.Context, profile, region string) (aws.Config, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	cfg, ok := p.loaded[profile]
	if !ok {
		var err error
		if cfg, err = p.load(ctx, profile, region); err != nil {
			return aws.Config{}, err
		}
		if p.loaded == nil {
			p.loaded = make(map[string]aws.Config)
		}
		p.loaded[profile] = cfg
	}
	cfg = cfg.Copy()
	if region != "" {
		cfg.Region = region
	}
	return cfg, nil
}

// Retrieve returns credentials of from that can sign now. Blamed finds its errors.
func Retrieve(ctx context.Context, from aws.CredentialsProvider, profile string) (aws.Credentials, error) {
	creds, err := from.Retrieve(ctx)
	if err != nil {
		if known, ok := Blamed(err); ok {
			return aws.Credentials{}, known
		}
		return aws.Credentials{}, failure(profile, nil, CauseOf(err), nil, err)
	}
	if now := time.Now(); creds.CanExpire && !creds.Expires.After(now) {
		err := fmt.Errorf("they ended %s ago", now.Sub(creds.Expires).Round(time.Second))
		return aws.Credentials{}, failure(profile, nil, causes.KeysExpired, nil, err)
	}
	if !creds.HasKeys() {
		return aws.Credentials{}, failure(profile, nil, causes.NoCredentials, nil, errors.New("the credentials provider gave empty keys"))
	}
	return creds, nil
}

// HTTPClient returns a client that reaches the internet as cfg's AWS calls do:
// through HTTPS_PROXY, checking servers by AWS_CA_BUNDLE or the system's roots.
// It has no timeout of its own.
func HTTPClient(cfg aws.Config) *http.Client {
	built, ok := cfg.HTTPClient.(*awshttp.BuildableClient)
	if !ok {
		built = newHTTPClient()
	}
	return &http.Client{Transport: Transport{built.GetTransport()}}
}

// StaleEnvironment returns a warning when profile leads to temporary keys in the
// environment, which nothing can refresh, and "" otherwise.
func StaleEnvironment(profile string) string {
	if !environmentKeys(profile) || os.Getenv("AWS_SESSION_TOKEN") == "" {
		return ""
	}
	if named := os.Getenv("AWS_PROFILE"); named != "" {
		return "temporary keys in the environment (AWS_SESSION_TOKEN) go before AWS_PROFILE=" + named + " and cannot be refreshed"
	}
	return "temporary keys in the environment (AWS_SESSION_TOKEN) cannot be refreshed when they expire"
}

// load reads profile's configuration. p.mu is held.
func (p *Profiles) load(ctx context.Context, profile, region string) (aws.Config, error) {
	if p.turn == nil {
		p.turn = newTurn()
	}
	source := &provider{profile: profile, region: region, people: p.People, turn: p.turn, logins: &p.logins}
	cfg, err := config.LoadDefaultConfig(ctx, source.loadOptions(ctx, "", nil)...)
	if err != nil {
		return aws.Config{}, failure(profile, nil, orBroken(CauseOf(err)), nil, err)
	}
	cfg.Credentials = &cache{
		CredentialsCache: aws.NewCredentialsCache(source, func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = renewBefore }),
		profile:          profile,
		open:             &source.open,
	}
	return cfg, nil
}

// orBroken: what fails while files are read, and is nothing known, is the files.
func orBroken(c causes.Cause) causes.Cause {
	if c == causes.CredentialsFailed {
		return causes.BrokenConfiguration
	}
	return c
}

// provider retrieves the credentials of a profile by going through the SDK's
// chain from the start each time, files included: a login, an edited profile or
// replaced keys are seen at once. It is used beneath an aws.CredentialsCache,
// which makes retrievals single.
type provider struct {
	profile string
	region  string // for STS, when the profile has none

	people People
	turn   turn                     // of all profiles
	logins *ssoLogins               // of all profiles
	open   atomic.Pointer[question] // what a person is being asked; nil for nothing
}

// loadOptions are the SDK's settings. Its warnings (IMDSv1 is used, a region was
// not set) are left out: they would go to stderr past our log. limit does not
// count while a person is asked; it may be nil.
func (p *provider) loadOptions(ctx context.Context, defaultRegion string, limit *time.Timer) []func(*config.LoadOptions) error {
	options := []func(*config.LoadOptions) error{
		config.WithSharedConfigProfile(p.profile),
		config.WithDefaultRegion(defaultRegion),
		config.WithHTTPClient(newHTTPClient()),
		config.WithAPIOptions([]func(*middleware.Stack) error{wordUnreached}),
		config.WithLogger(logging.Nop{}),
	}
	if p.people.MFACode == nil {
		return options
	}
	return append(options, config.WithAssumeRoleCredentialOptions(func(o *stscreds.AssumeRoleOptions) {
		if o.SerialNumber == nil {
			return
		}
		o.TokenProvider = func() (string, error) {
			limit.Stop()
			defer limit.Reset(retrieveTimeout)
			return p.mfaCode(ctx, aws.ToString(o.SerialNumber))
		}
	}))
}

// Retrieve implements aws.CredentialsProvider. Blamed finds its errors. It
// may wait for a person, whoever else has left.
func (p *provider) Retrieve(ctx context.Context) (aws.Credentials, error) {
	began := time.Now()
	creds, cfg, err := p.retrieve(ctx)
	if !errors.Is(err, causes.SSOExpired) || p.people.SSOPage == nil {
		return creds, err
	}
	session, ok := ssoSessionOf(sharedConfig(cfg))
	if !ok {
		return creds, err
	}
	if err := p.ssoLogin(ctx, cfg, session, began); err != nil {
		cause := causes.SSOLoginFailed
		if CauseOf(err) == causes.CredentialsUnreachable { // nobody has seen a page
			cause = causes.CredentialsUnreachable
		}
		return aws.Credentials{}, failure(p.profile, sharedConfig(cfg), cause, nil, err)
	}
	creds, _, err = p.retrieve(ctx)
	return creds, err
}

// retrieve goes through the SDK's chain once.
func (p *provider) retrieve(ctx context.Context) (aws.Credentials, aws.Config, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	limit := time.AfterFunc(retrieveTimeout, func() { cancel(context.DeadlineExceeded) })
	defer limit.Stop()
	cfg, err := config.LoadDefaultConfig(ctx, p.loadOptions(ctx, p.region, limit)...)
	if err != nil {
		return aws.Credentials{}, cfg, failure(p.profile, nil, orBroken(CauseOf(err)), nil, err)
	}
	creds, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return aws.Credentials{}, cfg, failure(p.profile, sharedConfig(cfg), CauseOf(err), nil, err)
	}
	if !creds.CanExpire && strings.HasPrefix(creds.Source, "SharedConfigCredentials") {
		creds.CanExpire, creds.Expires = true, time.Now().Add(rereadAfter)
	}
	return creds, cfg, nil
}

// AdjustExpiresBy implements aws.AdjustExpiresByCredentialsCacheStrategy: early
// renewal, except for credentials that are short-lived when they arrive, which
// serve to their last moment.
func (p *provider) AdjustExpiresBy(creds aws.Credentials, by time.Duration) (aws.Credentials, error) {
	if early := creds.Expires.Add(by); early.After(time.Now()) {
		creds.Expires = early
	} else {
		creds.Expires = creds.Expires.Add(-lastMoment)
	}
	return creds, nil
}

// sharedConfig returns the profile that cfg was loaded from, nil when it came
// from the environment alone.
func sharedConfig(cfg aws.Config) *config.SharedConfig {
	for _, source := range cfg.ConfigSources {
		if s, ok := source.(config.SharedConfig); ok {
			return &s
		}
	}
	return nil
}

// profileOf returns the name of the profile that cfg's credentials come from, as
// it was asked for.
func profileOf(cfg aws.Config) string {
	for _, source := range cfg.ConfigSources {
		if o, ok := source.(config.LoadOptions); ok {
			return o.SharedConfigProfile
		}
	}
	return ""
}
