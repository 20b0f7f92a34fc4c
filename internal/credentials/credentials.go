package credentials

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// How long credentials are asked for and kept.
const (
	// retrieveTimeout ends one retrieval: an SSO or STS call with its retries. A
	// person who is asked, and a credential_process, have more time.
	retrieveTimeout = time.Minute

	// renewBefore is how long before their end credentials are renewed. A token
	// must find them valid when the database checks it, which a tunnel and a
	// paused Aurora can put off by many seconds.
	renewBefore = time.Minute

	// lastMoment is when credentials that could not be had any fresher count as
	// expired.
	lastMoment = 5 * time.Second

	// rerunAfter is the least time between two runs of a credential_process whose
	// keys are refused and do not say when they end.
	rerunAfter = time.Minute
)

// Profiles holds the configuration of each profile in use, so that all targets
// of a profile share one credentials cache: a burst of logins makes one
// retrieval, and one question to a person. Failures are not kept. The zero value
// is ready, and asks nobody.
type Profiles struct {
	People   People        // set before first use
	Log      *slog.Logger  // what a credential_process says, and warnings; nil for none
	Patience time.Duration // what a credential_process may take; zero is a minute

	mu        sync.Mutex
	turn      turn
	logins    ssoLogins
	tokens    ssoTokens
	sessions  loginSessions
	processes processes
	loaded    map[string]aws.Config // by the name asked for; "" is the environment's choice
}

// End ends each credential_process that runs. Those that are started later end at
// once.
func (p *Profiles) End() { p.processes.end() }

// Config returns the configuration of profile, which is read on first use. An
// empty profile is the environment's choice: keys in the environment, AWS_PROFILE,
// the default profile. A region that is not empty replaces the profile's.
//
// Credentials are not retrieved yet, but a profile that does not exist, cannot
// be read or wants an MFA code is an error here, which Blamed finds.
func (p *Profiles) Config(_ context.Context, profile, region string) (aws.Config, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	cfg, ok := p.loaded[profile]
	if !ok {
		var err error
		if cfg, err = p.load(profile, region); err != nil {
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
		built = newHTTPClient(nil)
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
		return "temporary keys in the environment (AWS_SESSION_TOKEN) override AWS_PROFILE=" + named + " and cannot be renewed"
	}
	return "temporary keys in the environment (AWS_SESSION_TOKEN) cannot be renewed when they expire"
}

// InUse says by which credentials of from a login would be made now: their access key ID,
// or "" when they must be retrieved first. It does not wait; a retrieval that is due goes
// on without it.
func InUse(from aws.CredentialsProvider) string {
	ended, end := context.WithCancel(context.Background())
	end()
	creds, err := from.Retrieve(ended)
	if err != nil {
		return ""
	}
	return creds.AccessKeyID
}

// Reread makes the next login get credentials anew, after the database or AWS has
// refused these: when they are keys that do not say until when they serve. Others
// would not be any newer.
func Reread(from aws.CredentialsProvider) {
	if c, ok := from.(*cache); ok && c.source != nil && c.source.unlimited(time.Now()) {
		c.Invalidate()
	}
}

// load reads profile's configuration. p.mu is held.
func (p *Profiles) load(profile, region string) (aws.Config, error) {
	if p.turn == nil {
		p.turn = newTurn()
	}
	source := &provider{
		profile: profile, region: region, people: p.People, turn: p.turn, logins: &p.logins,
		tokens: &p.tokens, sessions: &p.sessions, processes: &p.processes,
		log: p.Log, patience: cmp.Or(p.Patience, time.Minute),
	}
	_, c, err := source.find(nil)
	if err != nil {
		return aws.Config{}, failure(profile, c.settings, CauseOf(err), nil, err)
	}
	cfg := c.aws
	cfg.Region = cmp.Or(c.env.Region, c.profile.Get("region"))
	cfg.Credentials = &cache{
		CredentialsCache: newCache(source),
		profile:          profile,
		source:           source,
		open:             &source.open,
	}
	return cfg, nil
}
