package checkup

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/database"
	"github.com/pgkeyless/pgkeyless/internal/discover"
	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/internal/doctor"
	"github.com/pgkeyless/pgkeyless/internal/policy"
	"github.com/pgkeyless/pgkeyless/internal/targets"
)

// endpoint finds out where the target is, by asking AWS when it is named by an
// identifier or ARN.
func (c *Checkup) endpoint(ctx context.Context) {
	c.walk.Begin(doctor.Endpoint)
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	if err := c.locate(ctx); err != nil {
		c.fail(err)
		return
	}
	c.passwordsErr = c.findPasswords(ctx)
	e := c.login.Endpoint
	text := fmt.Sprintf("%s in %s (%s)", e.Address(), e.Region, e.Kind)
	if c.found {
		text = fmt.Sprintf("%s %s: %s in %s", c.login.Database.Kind, c.login.Database.Identifier, e.Address(), e.Region)
	}
	c.walk.OK(text)
}

// locate finds out where the target is.
func (c *Checkup) locate(ctx context.Context) (err error) {
	if c.login, err = targets.NewLogin(ctx, c.wiring.Profiles, c.target); err != nil {
		return err
	}
	c.found = c.login.Database.Kind != 0
	if !c.named {
		c.user = cmp.Or(c.login.UsualUser(c.target), c.user)
	}
	c.finder, err = targets.NewFinder(c.login.AWS, c.target.Profile)
	return err
}

// describe asks RDS about the database, unless that has been done or cannot be.
func (c *Checkup) describe(ctx context.Context) error {
	if c.found {
		return nil
	}
	if !c.login.Endpoint.Described() {
		return errNotDescribed
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	db, err := c.finder.ByEndpoint(ctx, c.login.Endpoint.Host)
	if err != nil {
		return err
	}
	c.login.Database, c.found = db, true
	return nil
}

var errNotDescribed = errors.New("the name is none that RDS could be asked about")

// iamOn asks RDS about the database, and whether it takes tokens.
func (c *Checkup) iamOn(ctx context.Context) {
	c.walk.Begin(doctor.IAM)
	if c.kind() == database.DSQL {
		c.dsqlState(ctx)
		return
	}
	switch err := c.describe(ctx); {
	case errors.Is(err, discover.ErrNotFound):
		c.absent = err
		c.walk.Skip("no database with this endpoint to ask about")
		return
	case err != nil: // not permitted, most likely
		c.walk.Skip(mayNotAsk(err))
		return
	}
	if err := c.trouble(); err != nil {
		c.fail(err)
		return
	}
	text := "on"
	if after := c.login.Database.PausesAfter; after > 0 {
		text += fmt.Sprintf("; the database pauses after %.0f s without a connection, so a login may have to wake it, which may take 15 s or more", after.Seconds())
	}
	switch {
	case c.byPassword():
		c.walk.LeaveOut(c.user + " logs in with a password")
	case c.login.Database.TokensOff(): // but a secret, of another user's
		c.fail(c.login.Database.Trouble())
	default:
		c.walk.OK(text)
	}
}

// dsqlState asks DSQL whether the cluster can be used. Its logins are IAM's in any case.
func (c *Checkup) dsqlState(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, evidenceTimeout)
	defer cancel()
	db, err := c.finder.ByEndpoint(ctx, c.login.Endpoint.Host)
	switch {
	case err != nil: // nothing depends on it
		c.walk.LeaveOut("DSQL knows no other login")
	case db.Trouble() != nil:
		c.fail(db.Trouble())
	default:
		c.walk.OK("on: DSQL knows no other login; the cluster is " + display.Line(db.Status))
	}
}

// resourceID says what a policy must name.
func (c *Checkup) resourceID(ctx context.Context) {
	c.walk.Begin(doctor.ResourceID)
	f := c.facts()
	switch {
	case c.kind() == database.DSQL:
		c.walk.OK(f.ResourceID)
	case c.absent != nil:
		c.notListed(ctx)
	case f.ResourceID == "":
		why := "not known"
		for _, gap := range f.Unknown() {
			if gap.Placeholder == policy.UnknownResourceID {
				why += ": " + gap.What
			}
		}
		c.walk.Skip(why)
	default:
		c.walk.OK(fmt.Sprintf("%s in account %s", f.ResourceID, c.login.Database.Account))
	}
}

// notListed reports an endpoint that RDS does not know in this account. It is the
// walk's end only where the name itself is of this account: other databases bear
// its mark. An endpoint may be of another account, or of a kind that is not listed.
func (c *Checkup) notListed(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	mark := discover.Mark(c.login.Endpoint.Host)
	listed, _ := c.finder.Databases(ctx) // those that may be seen will do
	for _, db := range listed {
		if mark != "" && discover.Mark(db.Host) == mark {
			c.fail(c.absent, fmt.Sprintf("%s in the name belongs to account %s in %s, as in that of %s %s: this endpoint no longer exists, or was renamed",
				mark, cmp.Or(db.Account, c.caller.Account), db.Region, db.Kind, db.Identifier))
			return
		}
	}
	c.walk.Warn("not known: "+display.Line(c.absent.Error()), causes.Hint(c.absent), c.otherAccount())
}

// otherAccount is what speaks against a login at an endpoint that is not listed.
func (c *Checkup) otherAccount() string {
	return "a token is checked in the account that owns the database; these credentials are of account " + cmp.Or(c.caller.Account, "unknown")
}
