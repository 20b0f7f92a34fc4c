package auth

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/credentials"
)

// Refusals explains why a database refuses IAM tokens. Name and Endpoint must be
// set; what the functions do not tell is left out.
type Refusals struct {
	Name     string // the database's, for people
	Endpoint Endpoint
	JumpHost string // empty when there is none
	// RegionGuessed says that Endpoint's name holds no region, so that it is the
	// AWS configuration's.
	RegionGuessed bool
	// WhoAmI tells whose the tokens are. It may be nil.
	WhoAmI func(context.Context) (credentials.Caller, error)
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

// maxSkew is how far AWS lets a signer's clock be off.
//
// Source: AWS General Reference, "Elements of an AWS API request signature".
const maxSkew = 5 * time.Minute

// masterUser is the name that the RDS console proposes for the master user.
const masterUser = "postgres"

// stateNoDatabase is not about the login, though its words look like it.
const stateNoDatabase = "3D000"

// Cause is the row of the table for r by its words alone; false when there is
// none.
func (r Refused) Cause() (causes.Cause, bool) {
	if r.Asked != "" {
		return causes.OtherPassword, true
	}
	if r.SQLState == stateNoDatabase {
		return causes.Cause{}, false
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
	caller, described, refused := f.ask(ctx)
	if c == causes.TokenRefused {
		switch {
		case caller.Ahead.Abs() > maxSkew:
			c = causes.ClockWrong
		case described.TokensOff:
			c = causes.IAMOff
		case f.RegionGuessed:
			c = causes.RegionGuessed
		}
	}
	facts := f.facts(r, caller, described)
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
	if r.User == masterUser && (c == causes.UserNotGranted || c == causes.OtherPassword) {
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
func (f *Refusals) ask(ctx context.Context) (caller credentials.Caller, described Described, refused string) {
	var asking sync.WaitGroup
	if f.WhoAmI != nil {
		asking.Go(func() {
			c, err := f.WhoAmI(ctx)
			if known, ok := credentials.Blamed(err); ok {
				refused = known.Error()
			}
			if err == nil {
				caller = c
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
	return caller, described, refused
}

func (f *Refusals) facts(r Refused, caller credentials.Caller, described Described) causes.Facts {
	action, resource := f.permission(r.User, caller, described)
	return causes.Facts{
		"database":    f.Name,
		"user":        r.User,
		"quoted user": `"` + strings.ReplaceAll(r.User, `"`, `""`) + `"`,
		"asked":       r.Asked,
		"identity":    caller.ARN,
		"endpoint":    f.Endpoint.Address(),
		"region":      f.Endpoint.Region,
		"jump host":   f.JumpHost,
		"clock":       clock(caller.Ahead),
		"missing":     action,
		"resource":    resource,
		"statement":   statement(action, resource),
		"command":     described.Enable,
		"word":        r.Unserved,
		"targets":     r.Served,
	}
}

// permission is what the identity needs, with the parts that are not known left
// open: * for the account, RESOURCE-ID for what only RDS knows.
func (f *Refusals) permission(user string, caller credentials.Caller, described Described) (action, resource string) {
	or := func(known, open string) string {
		if known == "" {
			return open
		}
		return known
	}
	partition := or(f.Endpoint.Partition, "aws")
	account := or(or(described.Account, caller.Account), "*")
	if f.Endpoint.Kind == KindDSQL {
		cluster, _, _ := strings.Cut(f.Endpoint.Host, ".")
		action = "dsql:DbConnect"
		if user == dsqlAdmin {
			action = "dsql:DbConnectAdmin"
		}
		return action, fmt.Sprintf("arn:%s:dsql:%s:%s:cluster/%s", partition, f.Endpoint.Region, account, cluster)
	}
	return "rds-db:connect", fmt.Sprintf("arn:%s:rds-db:%s:%s:dbuser:%s/%s",
		partition, f.Endpoint.Region, account, or(described.ResourceID, "RESOURCE-ID"), user)
}

func statement(action, resource string) string {
	text, err := json.Marshal(struct{ Effect, Action, Resource string }{"Allow", action, resource})
	if err != nil { // strings always encode
		return strconv.Quote(action + " on " + resource)
	}
	return string(text)
}

// clock says how far this machine's clock is off; "" within a minute.
func clock(ahead time.Duration) string {
	switch {
	case ahead.Abs() < time.Minute:
		return ""
	case ahead > 0:
		return fmt.Sprintf("this machine's clock is %v behind AWS's", ahead)
	}
	return fmt.Sprintf("this machine's clock is %v ahead of AWS's", -ahead)
}
