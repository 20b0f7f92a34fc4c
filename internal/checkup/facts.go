package checkup

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/credentials"
	"github.com/pgkeyless/pgkeyless/internal/database"
	"github.com/pgkeyless/pgkeyless/internal/discover"
	"github.com/pgkeyless/pgkeyless/internal/iampolicy"
	"github.com/pgkeyless/pgkeyless/internal/partition"
	"github.com/pgkeyless/pgkeyless/internal/policy"
	"github.com/pgkeyless/pgkeyless/internal/secretstore"
)

// lookupCalls are what discover asks RDS about an identifier or ARN.
var lookupCalls = []string{
	"rds:DescribeDBInstances", "rds:DescribeDBClusters", "rds:DescribeDBClusterEndpoints",
	"rds:DescribeDBProxies", "rds:DescribeDBProxyEndpoints", "rds:DescribeGlobalClusters",
}

// dsqlLookupCalls are what discover asks DSQL about an identifier or ARN.
var dsqlLookupCalls = []string{"dsql:GetCluster"}

// Policy finds out what a policy for the target needs. What cannot be found out
// stays empty; unlisted says so of a database that RDS does not list. A user that
// nobody named is left empty, too: nobody is let in by guess.
func (c *Checkup) Policy(ctx context.Context) (f policy.Facts, unlisted, err error) {
	if _, err := c.identify(ctx); err != nil {
		return policy.Facts{}, nil, err
	}
	if err := c.describe(ctx); errors.Is(err, discover.ErrNotFound) {
		unlisted = err
	}
	if err := c.misused(); err != nil {
		return policy.Facts{}, nil, err
	}
	asking, cancel := context.WithTimeout(ctx, evidenceTimeout)
	defer cancel()
	c.describeSecret(asking)
	return c.facts(), unlisted, nil
}

// misused is why no policy makes the target's option secret work, by what is known of the
// database now. A look-up that is denied is no such reason: the policy is to allow it.
func (c *Checkup) misused() error {
	if causes.Misused(c.passwordsErr) {
		return c.passwordsErr
	}
	if _, err := c.wiring.Passwords(c.target, c.login); causes.Misused(err) {
		return err
	}
	return nil
}

// identify finds out where the target is, and asks whose the credentials are.
// refused is an answer that blames them.
func (c *Checkup) identify(ctx context.Context) (refused *causes.Error, err error) {
	if err := c.locate(ctx); err != nil {
		return nil, err
	}
	if !c.named && c.kind() != database.DSQL {
		c.user = ""
	}
	c.passwordsErr = c.findPasswords(ctx)
	c.aws = c.login.AWS
	c.caller, _, err = credentials.WhoAmI(ctx, c.aws)
	refused, _ = credentials.Blamed(err)
	return refused, nil
}

// facts is what has been found out, for policy.
func (c *Checkup) facts() policy.Facts {
	e, db := c.login.Endpoint, c.login.Database
	f := policy.Facts{
		Target: c.target.Name, Kind: c.kind(),
		Partition: cmp.Or(e.Partition, partition.Commercial), Region: e.Region,
		Account: cmp.Or(db.Account, c.caller.Account), ResourceID: db.ResourceID,
		Host: e.Host, Port: e.Port, User: c.user, MasterUser: db.MasterUser, Express: db.Express,
		EndToEnd: db.Pool.EndToEnd, ProxyRole: db.Pool.Role,
		ViaAccount: c.caller.Account,
	}
	if c.direct() == "" {
		f.Via = cmp.Or(c.target.Via, policy.UnknownJumpHost)
	}
	if f.Kind == database.DSQL {
		f.ResourceID, _, _ = strings.Cut(e.Host, ".")
	}
	switch {
	case c.target.Ref != "" && f.Kind == database.DSQL:
		f.Lookup = dsqlLookupCalls
	case c.target.Ref != "":
		f.Lookup = lookupCalls
	case c.target.Managed():
		f.Lookup = lookupCalls[:2]
	}
	c.addSecret(&f)
	return f
}

// addSecret adds what is known of the secret of a user with a password.
func (c *Checkup) addSecret(f *policy.Facts) {
	switch {
	case c.target.Secret == "" || c.passwords != nil && !c.byPassword():
	case c.passwords == nil || c.passwords.Secret() == nil:
		f.Secret = policy.UnknownSecret
	default:
		id := c.passwords.Secret().ID()
		place := iampolicy.Place{Partition: f.Partition, Region: f.Region, Account: cmp.Or(c.caller.Account, policy.UnknownAccount)}
		f.Secret = cmp.Or(c.secretARN, secretstore.Pattern(place, id))
	}
	f.Managed, f.SecretKey, f.SecretKeyKnown = c.target.Managed(), c.secretKey, c.keyKnown
}

// kind goes by what RDS says, else by the endpoint's name.
func (c *Checkup) kind() database.Kind {
	return cmp.Or(c.login.Database.Kind, c.login.Endpoint.Kind.Database())
}
