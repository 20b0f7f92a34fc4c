package credentials

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/sharedfiles"
)

// provider retrieves the credentials of a profile by going through the chain from
// the start each time, files included: a login, an edited profile or replaced keys
// are seen at once. It is used beneath an aws.CredentialsCache, which makes
// retrievals single.
type provider struct {
	profile string
	region  string // for STS, when the profile has none

	people    People
	turn      turn       // these are of all profiles
	logins    *ssoLogins // used in turn
	tokens    *ssoTokens
	sessions  *loginSessions
	processes *processes
	log       *slog.Logger
	patience  time.Duration

	open atomic.Pointer[question] // what a person is being asked; nil for nothing
	last atomic.Pointer[reading]  // the last retrieval that succeeded; nil before
	view atomic.Pointer[View]     // how the last retrieval came out; nil before
}

// reading says what credentials were read from.
type reading struct {
	at      time.Time
	lasting bool // they do not say when they end
	files   [2]stamp
	ofFile  bool // they are keys in one of the files
}

// stamp is what changes with a file. The zero value is a file that is not there.
type stamp struct {
	changed time.Time
	size    int64
}

func stampOf(path string) stamp {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}
	}
	return stamp{info.ModTime(), info.Size()}
}

// stamps are those of the shared files.
func stamps() [2]stamp {
	config, keys := sharedfiles.Paths()
	return [2]stamp{stampOf(config), stampOf(keys)}
}

// replaced reports whether the file has changed that the last keys are from.
func (p *provider) replaced() bool {
	last := p.last.Load()
	return last != nil && last.ofFile && last.files != stamps()
}

// unlimited reports whether the last credentials do not say when they end, and may
// be had anew.
func (p *provider) unlimited(now time.Time) bool {
	last := p.last.Load()
	return last != nil && last.lasting && (last.ofFile || now.Sub(last.at) >= rerunAfter)
}

// warn logs what is no error.
func (p *provider) warn(message string, facts ...any) {
	if p.log != nil {
		p.log.Warn(message, facts...)
	}
}

// find goes through the settings to the provider that they name. Its chain is never
// nil, and wait may be.
func (p *provider) find(wait *patience) (aws.CredentialsProvider, *chain, error) {
	s, err := readSettings(p.profile, p.region)
	c := &chain{settings: s, p: p, wait: wait}
	if err != nil {
		return nil, c, err
	}
	found, err := c.find()
	return found, c, err
}

// patience is the time that a retrieval has, which does not count while a person
// is asked or a process runs.
type patience struct {
	limit *time.Timer
	most  time.Duration // for a process
}

// pause stops the time until the function is called that it returns.
func (w *patience) pause() (resume func()) {
	w.limit.Stop()
	return func() { w.limit.Reset(retrieveTimeout) }
}

// Retrieve implements aws.CredentialsProvider. Blamed finds its errors. It
// may wait for a person, whoever else has left.
func (p *provider) Retrieve(ctx context.Context) (aws.Credentials, error) {
	creds, err := p.obtain(ctx)
	p.note(creds, err, time.Now())
	return creds, err
}

// obtain retrieves credentials, by a login in the browser if need be.
func (p *provider) obtain(ctx context.Context) (aws.Credentials, error) {
	began := time.Now()
	creds, s, err := p.retrieve(ctx)
	if !errors.Is(err, causes.SSOExpired) || p.people.SSOPage == nil {
		return creds, err
	}
	session, ok := s.ssoLoginNeeded()
	if !ok {
		return creds, err
	}
	if err := p.ssoLogin(ctx, s.aws, session, began); err != nil {
		cause := causes.SSOLoginFailed
		if CauseOf(err) == causes.CredentialsUnreachable { // nobody has seen a page
			cause = causes.CredentialsUnreachable
		}
		return aws.Credentials{}, failure(p.profile, s, cause, nil, err)
	}
	creds, _, err = p.retrieve(ctx)
	return creds, err
}

// retrieve goes through the chain once.
func (p *provider) retrieve(ctx context.Context) (aws.Credentials, *settings, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	limit := time.AfterFunc(retrieveTimeout, func() { cancel(context.DeadlineExceeded) })
	defer limit.Stop()
	now := reading{at: time.Now(), files: stamps()}
	found, c, err := p.find(&patience{limit, p.patience})
	if err != nil {
		return aws.Credentials{}, c.settings, failure(p.profile, c.settings, CauseOf(err), nil, err)
	}
	creds, err := found.Retrieve(ctx)
	if err != nil {
		return aws.Credentials{}, c.settings, failure(p.profile, c.settings, CauseOf(err), nil, err)
	}
	now.lasting, now.ofFile = !creds.CanExpire, creds.Source == sourceFile
	p.last.Store(&now)
	return creds, c.settings, nil
}

// AdjustExpiresBy implements aws.AdjustExpiresByCredentialsCacheStrategy.
func (p *provider) AdjustExpiresBy(creds aws.Credentials, by time.Duration) (aws.Credentials, error) {
	return renewedEarly(creds, by), nil
}

// newCache keeps what source gives until renewBefore its end.
func newCache(source aws.CredentialsProvider) *aws.CredentialsCache {
	return aws.NewCredentialsCache(source, func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = renewBefore })
}

// renewedEarly lets credentials end earlier by that much, except for those that are
// short-lived when they arrive, which serve to their last moment.
func renewedEarly(creds aws.Credentials, by time.Duration) aws.Credentials {
	if early := creds.Expires.Add(by); early.After(time.Now()) {
		creds.Expires = early
	} else {
		creds.Expires = creds.Expires.Add(-lastMoment)
	}
	return creds
}
