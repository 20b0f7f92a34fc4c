package checkup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pgkeyless/pgkeyless/auth"
	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/credentials"
	"github.com/pgkeyless/pgkeyless/internal/database"
	"github.com/pgkeyless/pgkeyless/internal/discover"
	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/internal/doctor"
	"github.com/pgkeyless/pgkeyless/internal/evidence"
	"github.com/pgkeyless/pgkeyless/internal/iampolicy"
	"github.com/pgkeyless/pgkeyless/internal/policy"
	"github.com/pgkeyless/pgkeyless/internal/secretstore"
	"github.com/pgkeyless/pgkeyless/internal/shell"
)

// clockWorth is from when on a wrong clock is worth a word.
const clockWorth = 30 * time.Second

// credentials gets some, and asks whose they are.
func (c *Checkup) credentials(ctx context.Context) {
	c.walk.Begin(doctor.Credentials)
	region := cmp.Or(c.target.Region, discover.RegionOf(c.target.Ref))
	if e, err := auth.ParseEndpoint(c.target.Endpoint); err == nil && region == "" {
		region = e.Region
	}
	var err error
	if c.aws, err = c.wiring.Profiles.Config(ctx, c.target.Profile, region); err != nil {
		c.fail(err)
		return
	}
	keys, err := c.aws.Credentials.Retrieve(ctx) // has its own limits: a person may be asked
	if err != nil {
		c.fail(credentials.Explain(c.target.Profile, err))
		return
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	var notes []string
	if stale := credentials.StaleEnvironment(c.target.Profile); stale != "" {
		notes = append(notes, stale)
	}
	if c.aws.Region == "" {
		c.walk.Warn("found, but without a region pgkeyless cannot ask AWS whose they are", "name the region with --region or AWS_REGION", notes...)
		return
	}
	c.caller, c.clock, err = credentials.WhoAmI(ctx, c.aws)
	switch {
	case err == nil:
		text := c.caller.ARN
		if keys.CanExpire {
			text += ", for another " + time.Until(keys.Expires).Round(time.Minute).String()
		}
		c.walk.OK(text, notes...)
	case c.clock.Wrong():
		c.walk.OK("found; AWS does not say whose they are while this clock is wrong", notes...)
	default:
		c.unidentified(err, notes)
	}
}

// unidentified tells why STS does not say whose the credentials are. Only bad
// credentials end the walk: no login needs STS, which may be out of reach where
// Systems Manager and the database are not.
func (c *Checkup) unidentified(err error, notes []string) {
	if bad, ok := credentials.Blamed(err); ok {
		c.fail(bad, notes...)
		return
	}
	fix := cmp.Or(causes.Hint(err), "check this machine's network, HTTPS_PROXY and NO_PROXY")
	if detail := causes.Detail(err); detail != "" {
		notes = append(notes, display.Line(detail))
	}
	c.walk.Warn("found; whose they are is unknown: "+display.Line(err.Error()),
		"no login needs this answer; if the next checks fail too, "+fix, notes...)
}

// compareClocks judges what the last answer of AWS was dated.
func (c *Checkup) compareClocks(context.Context) {
	c.walk.Begin(doctor.Clock)
	off := "this machine's clock is " + c.clock.Off() + " AWS's"
	const set = "set the clock, best by NTP: `sudo timedatectl set-ntp true` on Linux"
	switch {
	case !c.clock.Known:
		c.walk.Skip("no answer from AWS to compare with")
	case c.clock.Wrong():
		c.walk.Fail(doctor.Result{Text: off + ", and AWS takes signatures and tokens within 5 minutes", Fix: set, State: "28000"})
	case c.clock.Ahead.Abs() >= clockWorth:
		c.walk.Warn(off, set)
	default:
		c.walk.OK("within a second or so of AWS's")
		return
	}
}

// permissions lets IAM simulate what the path takes.
func (c *Checkup) permissions(ctx context.Context) {
	c.walk.Begin(doctor.Permissions)
	ctx, cancel := context.WithTimeout(ctx, evidenceTimeout)
	defer cancel()
	var err error
	c.denied, err = evidence.Simulate(ctx, evidence.NewIAM(c.aws), c.caller, c.questions())
	switch {
	case errors.Is(err, evidence.ErrNotPermitted):
		c.walk.Skip(display.Line(err.Error()) + ", which would simulate the policies; nothing depends on it")
	case err != nil:
		c.walk.Skip(mayNotAsk(err))
	case len(c.denied) > 0:
		c.walk.Warn("IAM's simulation finds missing permissions; the next checks will show", c.policyHint(), verdicts(c.denied)...)
	default:
		c.walk.OK("IAM's simulation allows everything that is needed")
	}
}

func (c *Checkup) policyHint() string {
	return fmt.Sprintf("`%s` prints the policy that is needed", c.command("policy"))
}

// command is a command of pgkeyless for the same target.
func (c *Checkup) command(verb string) string {
	s := "pgkeyless " + verb + " " + c.target.Arg()
	if c.target.Via != "" {
		s += " --via " + shell.Word(c.target.Via)
	}
	if c.target.Secret != "" {
		s += " --secret " + shell.Word(c.target.Secret)
	}
	return s + " --user " + shell.Word(c.user)
}

func verdicts(denied []evidence.Verdict) []string {
	var all []string
	for _, v := range denied {
		all = append(all, v.String())
	}
	return all
}

// questions are the policy's statements, with the ARNs of this caller and jump
// host where the policy has a pattern. What has a placeholder is left out. The
// statements about own sessions are alternatives: one question for both.
func (c *Checkup) questions() []evidence.Question {
	f := c.facts()
	if c.host.Target != "" {
		f.Via = c.host.Target
	}
	here := iampolicy.Place{Partition: f.Partition, Region: f.Region, Account: f.ViaAccount}
	var all []evidence.Question
	for _, s := range policy.For(f).Statement {
		if s.Sid == policy.ListDatabases || s.Sid == policy.DecryptSecret { // no login needs the one, and a simulation does not know of the other
			continue
		}
		q := evidence.Question{Actions: s.Action}
		for _, r := range s.Resource {
			r = here.SessionOf(c.caller.Name(), r)
			if !strings.Contains(r, "UNKNOWN") && !strings.HasSuffix(r, secretstore.AnySuffix) {
				q.Resources = append(q.Resources, r)
			}
		}
		asked := slices.ContainsFunc(all, func(other evidence.Question) bool {
			return slices.Equal(other.Actions, q.Actions) && slices.Equal(other.Resources, q.Resources)
		})
		if len(q.Resources) > 0 && !asked {
			all = append(all, q)
		}
	}
	return all
}

// pastLogins asks CloudWatch how earlier IAM logins went.
func (c *Checkup) pastLogins(ctx context.Context) {
	c.walk.Begin(doctor.Metrics)
	if c.kind() == database.DSQL {
		c.walk.LeaveOut("CloudWatch does not count logins to DSQL")
		return
	}
	if c.byPassword() {
		c.walk.LeaveOut(c.user + " logs in with a password")
		return
	}
	dimension, identifier := c.metricDimension()
	if identifier == "" {
		c.walk.Skip("the database's identifier is not known, by which CloudWatch counts")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, evidenceTimeout)
	defer cancel()
	logins, err := evidence.LoginMetrics(ctx, evidence.NewCloudWatch(c.login.AWS), dimension, identifier)
	switch {
	case errors.Is(err, evidence.ErrNotPermitted):
		c.walk.Skip(display.Line(err.Error()) + ", which would show earlier IAM logins; nothing depends on it")
	case err != nil:
		c.walk.Skip(mayNotAsk(err))
	default:
		c.logins = &logins
		c.walk.OK(logins.String())
	}
}

// metricDimension is what CloudWatch counts IAM logins by.
func (c *Checkup) metricDimension() (name, identifier string) {
	switch db := c.login.Database; {
	case !c.found || db.Kind == database.Proxy:
		return "", ""
	case db.Kind == database.Instance:
		return "DBInstanceIdentifier", db.Identifier
	default:
		return "DBClusterIdentifier", cmp.Or(db.Cluster, db.Identifier)
	}
}
