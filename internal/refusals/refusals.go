package refusals

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pgkeyless/pgkeyless/auth"
	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/clock"
	"github.com/pgkeyless/pgkeyless/internal/credentials"
	"github.com/pgkeyless/pgkeyless/internal/dbuser"
	"github.com/pgkeyless/pgkeyless/internal/iampolicy"
	"github.com/pgkeyless/pgkeyless/internal/partition"
)

// Refusals explains why a database refuses IAM tokens. Name and Endpoint must be
// set; what the functions do not tell is left out.
type Refusals struct {
	Name     string // the database's, for people
	Endpoint auth.Endpoint
	JumpHost string // empty when there is none
	// RegionGuessed says that Endpoint's name holds no region, so that it is the
	// AWS configuration's.
	RegionGuessed bool
	// WhoAmI tells whose the tokens are, and how the clock that dates them stands to
	// AWS's. It may be nil.
	WhoAmI func(context.Context) (credentials.Caller, clock.Reading, error)
	// Describe tells what RDS knows of the database. It may be nil.
	Describe func(context.Context) (Described, error)
}

// Described is what RDS says of a database.
type Described struct {
	ResourceID string // db-…, cluster-…, prx-…
	Account    string // the database's; empty when not known
	TokensOff  bool   // IAM authentication is switched off
	Enable     string // the command that switches it on
}

// Refused is one refused login.
type Refused struct {
	User              string
	SQLState, Message string // the database's words
	Asked             string // what it asked for in place of a token, when it did
	// Unserved is set when User ends in @Unserved, where a target may have been
	// meant of which there is none by that name; Served lists those there are.
	Unserved, Served string
}

// What a server says of a login that has succeeded.
//
// Source: PostgreSQL 18 docs, errcodes-appendix.html.
const (
	stateNoDatabase = "3D000"
	stateNotAllowed = "42501"
)

// Cause is the row of the table for r by its words alone; false when there is
// none.
func (r Refused) Cause() (causes.Cause, bool) {
	if r.Asked != "" {
		return causes.OtherPassword, true
	}
	switch r.SQLState {
	case stateNoDatabase:
		return causes.NoDatabase, true
	case stateNotAllowed:
		return causes.Spoken([]causes.Cause{causes.NoConnect}, r.Message)
	}
	if c, ok := causes.Spoken(causes.Refusals(), r.Message); ok {
		return c, true
	}
	return causes.TokenRefused, r.SQLState == "28000"
}

// Passing says that the same login may succeed a moment later. A client cannot
// see whether RDS's own check was denied, which stays, or had trouble, which
// passes.
func (r Refused) Passing() bool {
	c, ok := r.Cause()
	return ok && c.Passing
}

// Explain finds the row of the table and fills it with facts, for which it asks
// WhoAmI and Describe at the same time. false: there is nothing to explain.
func (f *Refusals) Explain(ctx context.Context, r Refused) (causes.Cause, causes.Told, bool) {
	c, ok := r.Cause()
	if !ok {
		return causes.Cause{}, causes.Told{}, false
	}
	if c == causes.NoDatabase || c == causes.NoConnect {
		return c, c.Fill(f.facts(r, credentials.Caller{}, clock.Reading{}, Described{})), true
	}
	caller, reading, described, refused := f.ask(ctx)
	if f.Endpoint.Kind == auth.KindDSQL && (c == causes.TokenRefused || c == causes.RedshiftRefused) {
		c = causes.DSQLRefused // which says so of an expired token
	}
	if c == causes.TokenRefused || c == causes.DSQLRefused {
		switch {
		case reading.Wrong():
			c = causes.ClockWrong
		case described.TokensOff:
			c = causes.IAMOff
		case f.RegionGuessed:
			c = causes.RegionGuessed
		}
	}
	facts := f.facts(r, caller, reading, described)
	facts["keys"] = refused
	told := c.Fill(facts)
	if r.Unserved != "" && aboutTheUser(c) {
		message := told.Message
		if c.Passing { // it was the token, perhaps
			facts["rest"] = told.Hint
		}
		c = causes.TargetNotServed
		told = c.Fill(facts)
		told.Message = message
	}
	if r.User == dbuser.UsualMaster && (c == causes.UserNotGranted || c == causes.OtherPassword) {
		message := told.Message
		c = causes.MasterUser
		told = c.Fill(facts)
		told.Message = message
	}
	return c, told, true
}

// aboutTheUser reports whether c is how a database refuses a user that it does not
// know.
func aboutTheUser(c causes.Cause) bool {
	return slices.Contains([]causes.Cause{
		causes.TokenRefused, causes.UserNotGranted, causes.OtherPassword, causes.NoRole,
		causes.ProxyTokenRefused, causes.ProxyNoSecret, causes.DSQLRefused,
	}, c)
}

// ask asks who the caller is and what RDS knows, under ctx. What fails stays
// unknown: the login's own failure is what counts. refused is what AWS says of the
// keys when it does not take them either.
func (f *Refusals) ask(ctx context.Context) (caller credentials.Caller, reading clock.Reading, described Described, refused string) {
	var asking sync.WaitGroup
	if f.WhoAmI != nil {
		asking.Go(func() {
			c, r, err := f.WhoAmI(ctx)
			if known, ok := credentials.Blamed(err); ok {
				refused = known.Error()
			}
			if err == nil {
				caller, reading = c, r
			}
		})
	}
	if f.Describe != nil {
		asking.Go(func() {
			if d, err := f.Describe(ctx); err == nil {
				described = d
			}
		})
	}
	asking.Wait()
	return caller, reading, described, refused
}

// Facts are what is known of r without asking anybody.
func (f *Refusals) Facts(r Refused) causes.Facts {
	return f.facts(r, credentials.Caller{}, clock.Reading{}, Described{})
}

func (f *Refusals) facts(r Refused, caller credentials.Caller, reading clock.Reading, described Described) causes.Facts {
	action, resource := f.permission(r.User, caller, described)
	principal, _ := caller.Principal()
	return causes.Facts{
		"database":    f.Name,
		"user":        r.User,
		"quoted user": dbuser.Quote(r.User),
		"asked":       r.Asked,
		"identity":    caller.ARN,
		"role":        cmp.Or(principal, "arn:aws:iam::ACCOUNT:role/NAME"),
		"endpoint":    f.Endpoint.Address(),
		"region":      f.Endpoint.Region,
		"jump host":   f.JumpHost,
		"clock":       clockWords(reading),
		"missing":     action,
		"resource":    resource,
		"statement":   iampolicy.Line(action, resource),
		"command":     described.Enable,
		"word":        r.Unserved,
		"targets":     r.Served,
	}
}

// permission is what the identity needs, with the parts that are not known left
// open: * for the account, RESOURCE-ID for what only RDS knows.
func (f *Refusals) permission(user string, caller credentials.Caller, described Described) (action, resource string) {
	place := iampolicy.Place{
		Partition: cmp.Or(f.Endpoint.Partition, partition.Commercial),
		Region:    f.Endpoint.Region,
		Account:   cmp.Or(described.Account, caller.Account, "*"),
	}
	if f.Endpoint.Kind == auth.KindDSQL {
		cluster, _, _ := strings.Cut(f.Endpoint.Host, ".")
		return iampolicy.DSQLLoginAction(user), place.DSQLCluster(cluster)
	}
	return iampolicy.LoginAction, place.DatabaseUser(cmp.Or(described.ResourceID, "RESOURCE-ID"), user)
}

// clockWorth is from when on a wrong clock is worth a word to who is refused.
const clockWorth = time.Minute

// clockWords says how far this machine's clock is off; "" when that is not worth a
// word.
func clockWords(r clock.Reading) string {
	if r.Ahead.Abs() < clockWorth {
		return ""
	}
	return "this machine's clock is " + r.Off() + " AWS's"
}
