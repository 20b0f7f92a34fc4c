package targets

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/clock"
	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/credentials"
	"github.com/pgkeyless/pgkeyless/internal/discover"
	"github.com/pgkeyless/pgkeyless/internal/refusals"
	"github.com/pgkeyless/pgkeyless/proxy"
)

// explainer tells the proxy what is known of refused logins.
type explainer struct {
	known       *refusals.Refusals
	credentials aws.CredentialsProvider
	passwords   *Passwords // of a user who logs in with one; may be nil
}

// Passing has the next try read the keys anew, where these may be why.
func (e explainer) Passing(r proxy.Refusal) bool {
	if e.passwords.Has(r.User) { // no other token helps
		return false
	}
	cause, _ := refusals.Refused(r).Cause()
	passing := refusals.Refused(r).Passing()
	if passing && cause != causes.DSQLRate {
		credentials.Reread(e.credentials)
	}
	return passing
}

func (e explainer) Explain(ctx context.Context, r proxy.Refusal) proxy.Explanation {
	if e.passwords.Has(r.User) {
		return e.explainPassword(ctx, refusals.Refused(r))
	}
	cause, told, ok := e.known.Explain(ctx, refusals.Refused(r))
	if !ok {
		return proxy.Explanation{}
	}
	return proxy.Explanation{Cause: cause.Name, Message: told.Message, Detail: told.Detail, Hint: told.Hint}
}

// explainPassword is Explain for a user who logs in with a password. What has nothing to do
// with that is explained as for others, but for how the login was tried.
func (e explainer) explainPassword(ctx context.Context, r refusals.Refused) proxy.Explanation {
	cause, told, ok := e.passwords.explain(r, e.known)
	if ok {
		return proxy.Explanation{Cause: cause.Name, Message: told.Message, Detail: told.Detail, Hint: told.Hint}
	}
	tried := told.Detail
	switch cause, told, ok = e.known.Explain(ctx, r); {
	case !ok:
		return proxy.Explanation{}
	case slices.Contains([]causes.Cause{causes.TokenRefused, causes.ClockWrong, causes.IAMOff, causes.RegionGuessed}, cause):
		return proxy.Explanation{Detail: tried}
	case cause != causes.NoDatabase && cause != causes.NoConnect: // which come after the login
		told.Detail = tried
	}
	return proxy.Explanation{Cause: cause.Name, Message: told.Message, Detail: told.Detail, Hint: told.Hint}
}

// explain explains refused logins at t's database.
func (l Login) explain(t config.Target) *refusals.Refusals {
	r := &refusals.Refusals{
		Name:          t.Name,
		Endpoint:      l.Endpoint,
		RegionGuessed: l.regionGuessed,
		WhoAmI: func(ctx context.Context) (credentials.Caller, clock.Reading, error) {
			return credentials.WhoAmI(ctx, l.AWS)
		},
	}
	if t.Via != config.ViaNone {
		r.JumpHost = t.Via
	}
	if l.Endpoint.Described() {
		r.Describe = cmp.Or(l.describes, newDescriber(l, t.Profile)).describe
	}
	return r
}

// describer asks RDS about a database, and keeps the answer for a while, a
// refusal too: clients that are refused come back, all of them.
type describer struct {
	login   Login
	profile string
	asking  chan struct{} // holds one: who asks owns what follows

	asked time.Time // when that was over; zero before
	found refusals.Described
	err   error
}

func newDescriber(l Login, profile string) *describer {
	return &describer{login: l, profile: profile, asking: make(chan struct{}, 1)}
}

// describe is refusals.Refusals' Describe. It calls AWS with permissions that a login
// does not need, so that its errors are nobody's business.
func (d *describer) describe(ctx context.Context) (refusals.Described, error) {
	select {
	case d.asking <- struct{}{}:
		defer func() { <-d.asking }()
	case <-ctx.Done():
		return refusals.Described{}, context.Cause(ctx)
	}
	if !d.asked.IsZero() && time.Since(d.asked) < lookupPause {
		return d.found, d.err
	}
	db, err := d.login.describe(ctx, d.profile)
	if err != nil && ctx.Err() != nil { // a client that left, or waits no longer
		return refusals.Described{}, err
	}
	d.asked, d.found, d.err = time.Now(), refusals.Described{}, err
	if err == nil {
		d.found = refusals.Described{ResourceID: db.ResourceID, Account: db.Account, TokensOff: db.TokensOff(), Enable: db.SwitchOn()}
	}
	return d.found, d.err
}

// describe asks RDS which database has l's endpoint. Where it must not, a name
// that was looked up still has the answer of then.
func (l Login) describe(ctx context.Context, profile string) (discover.Database, error) {
	finder, err := NewFinder(l.asks, profile)
	if err != nil {
		return discover.Database{}, err
	}
	db, err := finder.ByEndpoint(ctx, l.Endpoint.Host)
	if err != nil && l.Database.Kind != 0 {
		return l.Database, nil
	}
	return db, err
}
