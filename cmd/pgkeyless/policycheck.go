package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/pgkeyless/pgkeyless/auth"
	"github.com/pgkeyless/pgkeyless/internal/discover"
	"github.com/pgkeyless/pgkeyless/internal/evidence"
	"github.com/pgkeyless/pgkeyless/internal/policy"
	"github.com/pgkeyless/pgkeyless/proxy"
)

// presence is whether a part of what a target needs is there.
type presence string

const (
	inPlace  presence = "in place"
	missing  presence = "MISSING"
	unlooked presence = "not known"
)

// part is one of them.
type part struct {
	presence presence
	what     string
	why      string // or what was found; may be empty
	mend     string
}

// checkParts looks at every part, whatever the others are like. described is how
// asking RDS about the database went.
func (a *app) checkParts(ctx context.Context, c *checkup, described error) error {
	parts := c.iamPart(described)
	parts = append(parts, c.jumpHostPart(ctx)...)
	parts = append(parts, c.permissionParts(ctx)...)
	parts = append(parts, c.rolePart(ctx))
	code := 0
	for _, p := range parts {
		if _, err := fmt.Fprintf(a.stdout, "%-9s %s\n", p.presence, strings.Join(nonEmpty(p.what, p.why), ": ")); err != nil {
			return err
		}
		if p.mend != "" {
			fmt.Fprintf(a.stdout, "          mend: %s\n", p.mend)
		}
		switch {
		case p.presence == missing:
			code = policyIncomplete
		case p.presence == unlooked && code == 0:
			code = policyUnchecked
		}
	}
	if code != 0 {
		return &ended{code}
	}
	return nil
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

// iamPart is IAM authentication of the database.
func (c *checkup) iamPart(described error) []part {
	const what = "IAM authentication of the database"
	if c.login.endpoint.Kind == auth.KindDSQL {
		return nil
	}
	if described != nil {
		return []part{{unlooked, what, oneLine(described.Error()), hintOf(described)}}
	}
	if trouble := c.login.database.Trouble(); trouble != nil {
		return []part{{missing, what, oneLine(trouble.Error()), hintOf(trouble)}}
	}
	return []part{{presence: inPlace, what: what}}
}

// jumpHostPart is that one is online.
func (c *checkup) jumpHostPart(ctx context.Context) []part {
	if c.direct() != "" {
		return nil
	}
	what := "jump host " + c.target.Via
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	hosts, err := c.finder.JumpHosts(ctx, c.target.Via)
	switch {
	case errors.Is(err, discover.ErrDenied):
		return []part{{unlooked, what, oneLine(err.Error()), ""}}
	case err != nil:
		return []part{{missing, what, oneLine(err.Error()), hintOf(err)}}
	case !hosts[0].Online:
		return []part{{missing, what, hosts[0].Target + " is " + cmp.Or(hosts[0].Status, "offline"), "start it; see `" + c.command("doctor") + "`"}}
	}
	c.host = hosts[0]
	return []part{{inPlace, what, hosts[0].Target + " is online", ""}}
}

// permissionParts are the policy's statements, as IAM simulates them.
func (c *checkup) permissionParts(ctx context.Context) []part {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	api := iam.NewFromConfig(c.aws)
	var parts []part
	for _, q := range c.questions() {
		what := strings.Join(q.Actions, ", ")
		denied, err := evidence.Simulate(ctx, api, c.caller, []evidence.Question{q})
		switch {
		case err != nil:
			return append(parts, part{unlooked, "permissions of " + cmp.Or(c.caller.ARN, "the credentials"), oneLine(err.Error()), ""})
		case len(denied) > 0:
			parts = append(parts, part{missing, what, strings.Join(verdicts(denied), "; "), c.policyHint()})
		default:
			parts = append(parts, part{inPlace, what, "on " + strings.Join(q.Resources, ", "), ""})
		}
	}
	return parts
}

// rolePart is that the user is in rds_iam, which a login shows.
func (c *checkup) rolePart(ctx context.Context) part {
	what := fmt.Sprintf("database user %q", c.user)
	if c.user == "" {
		return part{unlooked, "database user", "none is named", "name one with --user"}
	}
	conn, err := c.logIn(ctx, nil)
	if err != nil {
		p := part{unlooked, what, oneLine(err.Error()), hintOf(err)}
		if s, ok := errors.AsType[interface {
			error
			SQLState() string
		}](err); ok && strings.HasPrefix(s.SQLState(), "28") && !errors.As(err, new(*auth.CredentialsError)) {
			p.presence = missing
		}
		return p
	}
	c.conn = conn
	if !c.iamByRole() {
		return part{inPlace, what, "logged in", ""}
	}
	switch r, err := c.role(ctx); {
	case err != nil:
		return part{unlooked, what, oneLine(err.Error()), ""}
	case r.path == "":
		return part{missing, what, "not in rds_iam", policy.Grant(c.facts())}
	default:
		return part{inPlace, what, "logged in, and in rds_iam (" + r.path + ")", ""}
	}
}

// logIn goes the way of a client.
func (c *checkup) logIn(ctx context.Context, report func(proxy.ProbeStep)) (*proxy.ProbeConn, error) {
	route, err := c.wiring.routeTo(c.target, c.login)
	if err != nil {
		return nil, err
	}
	route.User = "" // it is named here
	return proxy.Probe(ctx, route, c.user, cmp.Or(c.target.Database, adminDatabase), c.limit, report)
}
