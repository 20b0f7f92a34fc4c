package checkup

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/credentials"
	"github.com/pgkeyless/pgkeyless/internal/database"
	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/internal/evidence"
	"github.com/pgkeyless/pgkeyless/internal/policy"
)

// Presence is whether a part of what a target needs is there.
type Presence string

const (
	InPlace  Presence = "in place"
	Missing  Presence = "MISSING"   // AWS does not have it, or denies it to the identity
	NotKnown Presence = "not known" // it could not be found out: a throttle, no answer, no permission to look
)

// Part is one thing that a target needs.
type Part struct {
	Presence Presence
	what     string
	why      string // or what was found; may be empty
	fix      string
}

// Parts looks at every part of what the target needs, whatever the others are like.
func (c *Checkup) Parts(ctx context.Context) ([]Part, error) {
	refused, err := c.identify(ctx)
	switch {
	case err != nil:
		return nil, err
	case refused != nil:
		return nil, refused
	}
	parts := c.iamPart(c.describe(ctx))
	parts = append(parts, c.secretPart(ctx)...)
	parts = append(parts, c.jumpHostPart(ctx)...)
	parts = append(parts, c.permissionParts(ctx)...)
	return append(parts, c.rolePart(ctx)), nil
}

// String is p for people, with a line of what to do where that is known.
func (p Part) String() string {
	s := fmt.Sprintf("%-9s %s\n", p.Presence, strings.Join(nonEmpty(p.what, p.why), ": "))
	if p.fix != "" {
		s += fmt.Sprintf("          fix: %s\n", p.fix)
	}
	return s
}

func nonEmpty(words ...string) []string {
	var kept []string
	for _, w := range words {
		if w != "" {
			kept = append(kept, w)
		}
	}
	return kept
}

// is reports whether err has the words of one of rows.
func is(err error, rows ...causes.Cause) bool {
	return slices.ContainsFunc(rows, func(c causes.Cause) bool { return causes.Name(err) == c.Name })
}

// iamPart is IAM authentication of the database. described is how asking RDS about
// it went.
func (c *Checkup) iamPart(described error) []Part {
	const what = "IAM authentication of the database"
	if c.kind() == database.DSQL || c.byPassword() {
		return nil
	}
	if described != nil {
		return []Part{{NotKnown, what, display.Line(described.Error()), causes.Hint(described)}}
	}
	if trouble := c.login.Database.Trouble(); trouble != nil {
		p := Part{NotKnown, what, display.Line(trouble.Error()), causes.Hint(trouble)}
		if is(trouble, causes.IAMSwitchedOff) { // not where the database is stopped, say
			p.Presence = Missing
		}
		return []Part{p}
	}
	return []Part{{Presence: InPlace, what: what}}
}

// jumpHostPart is that one is online.
func (c *Checkup) jumpHostPart(ctx context.Context) []Part {
	if c.direct() != "" {
		return nil
	}
	if err := c.way(); err != nil {
		return []Part{{NotKnown, "jump host", "none is named", causes.Hint(err)}}
	}
	what := "jump host " + c.target.Via
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	hosts, err := c.finder.JumpHosts(ctx, c.target.Via)
	switch {
	case is(err, causes.NoJumpHost, causes.NoneOnline):
		return []Part{{Missing, what, display.Line(err.Error()), causes.Hint(err)}}
	case is(err, causes.LookupDenied):
		return []Part{{NotKnown, what, display.Line(err.Error()), ""}}
	case err != nil: // throttled, say, or nobody answered
		return []Part{{NotKnown, what, display.Line(err.Error()), causes.Hint(err)}}
	case !hosts[0].Online:
		return []Part{{Missing, what, hosts[0].Target + " is " + cmp.Or(hosts[0].Status, "offline"), "start it; see `" + c.command("doctor") + "`"}}
	}
	c.host = hosts[0]
	return []Part{{InPlace, what, hosts[0].Target + " is online", ""}}
}

// permissionParts are the policy's statements, as IAM simulates them.
func (c *Checkup) permissionParts(ctx context.Context) []Part {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	api := evidence.NewIAM(c.aws)
	var parts []Part
	for _, q := range c.questions() {
		what := strings.Join(q.Actions, ", ")
		denied, err := evidence.Simulate(ctx, api, c.caller, []evidence.Question{q})
		switch {
		case err != nil:
			return append(parts, Part{NotKnown, "permissions of " + cmp.Or(c.caller.ARN, "the credentials"), display.Line(err.Error()), ""})
		case len(denied) > 0:
			parts = append(parts, Part{Missing, what, strings.Join(verdicts(denied), "; "), c.policyHint()})
		default:
			parts = append(parts, Part{InPlace, what, "on " + strings.Join(q.Resources, ", "), ""})
		}
	}
	return parts
}

// rolePart is that the user is in rds_iam, which a login shows.
func (c *Checkup) rolePart(ctx context.Context) Part {
	what := fmt.Sprintf("database user %q", c.user)
	if c.user == "" {
		return Part{NotKnown, "database user", "none is named", "name one with --user"}
	}
	conn, err := c.logIn(ctx, nil)
	if err != nil {
		p := Part{NotKnown, what, display.Line(err.Error()), causes.Hint(err)}
		if _, credentialsFailed := credentials.Blamed(err); !credentialsFailed && strings.HasPrefix(causes.SQLState(err), "28") && !is(err, causes.ClockWrong) {
			p.Presence = Missing
		}
		return p
	}
	c.conn = conn
	if c.byPassword() {
		return Part{InPlace, what, "logged in with the password in the secret, by " + conn.Method(), ""}
	}
	if !c.iamByRole() {
		if c.login.Database.Pool.EndToEnd {
			if r, err := c.role(ctx); err == nil && r.path != "" {
				return Part{InPlace, what, "logged in, by IAM end to end, and in rds_iam (" + r.path + ")", ""}
			}
		}
		return Part{InPlace, what, "logged in", ""}
	}
	switch r, err := c.role(ctx); {
	case err != nil:
		return Part{NotKnown, what, display.Line(err.Error()), ""}
	case r.path == "" && c.masterByIAM(r.name):
		return Part{InPlace, what, "logged in, as the master user, without being in rds_iam", ""}
	case r.path == "":
		return Part{Missing, what, "not in rds_iam", policy.Grant(c.facts())}
	default:
		return Part{InPlace, what, "logged in, and in rds_iam (" + r.path + ")", ""}
	}
}
