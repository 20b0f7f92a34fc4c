package checkup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/pgkeyless/pgkeyless/auth"
	"github.com/pgkeyless/pgkeyless/internal/agentversion"
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
	"github.com/pgkeyless/pgkeyless/internal/targets"
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

// jumpHost looks for one that is online, with an agent that can forward.
func (c *Checkup) jumpHost(ctx context.Context) {
	c.walk.Begin(doctor.JumpHost)
	if why := c.direct(); why != "" {
		c.walk.LeaveOut(why)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	if err := c.way(); err != nil {
		c.fail(err, c.jumpHostsThere(ctx)...)
		return
	}
	hosts, err := c.finder.JumpHosts(ctx, c.target.Via)
	switch {
	case errors.Is(err, discover.ErrDenied) && !discover.Several(c.target.Via):
		c.walk.Skip(mayNotAsk(err))
		return
	case err != nil:
		c.fail(err)
		return
	}
	if _, err := c.finder.OnlineTargets(ctx, c.target.Via); err != nil {
		c.fail(err)
		return
	}
	c.host = hosts[0] // those online come first
	text := c.host.Target + " is online"
	if c.host.Agent != "" {
		text += ", agent " + c.host.Agent
	}
	if n := len(hosts) - 1; n > 0 {
		text += fmt.Sprintf("; %d more", n)
	}
	update := fmt.Sprintf("update the SSM agent there: `aws ssm send-command --document-name AWS-UpdateSSMAgent --targets Key=InstanceIds,Values=%s --region %s`",
		c.host.Target, c.login.Endpoint.Region)
	switch {
	case agentversion.After(agentversion.Forwards, c.host.Agent):
		c.walk.Fail(doctor.Result{Text: fmt.Sprintf("the agent on %s, %s, is too old to forward to another host", c.host.Target, c.host.Agent), Fix: update, State: "08001"})
	case agentversion.After(agentversion.Supported, c.host.Agent):
		c.walk.Warn(text, update)
	default:
		c.walk.OK(text)
	}
}

// jumpHostsThere is a note of those that the user could name; none where there is none,
// or nobody may ask.
func (c *Checkup) jumpHostsThere(ctx context.Context) []string {
	const most = 5
	hosts, _ := c.finder.AllJumpHosts(ctx) // those that may be seen will do
	var online []string
	for _, h := range hosts {
		if h.Online {
			online = append(online, strings.TrimSpace(h.Target+" "+h.Name))
		}
	}
	switch n := len(online); {
	case n == 0:
		return nil
	case n > most:
		online = append(online[:most], fmt.Sprintf("%d more", n-most))
	}
	return []string{"online in " + c.login.Endpoint.Region + ": " + strings.Join(online, ", ")}
}

// permissions lets IAM simulate what the path takes.
func (c *Checkup) permissions(ctx context.Context) {
	c.walk.Begin(doctor.Permissions)
	ctx, cancel := context.WithTimeout(ctx, evidenceTimeout)
	defer cancel()
	var err error
	c.denied, err = evidence.Simulate(ctx, iam.NewFromConfig(c.aws), c.caller, c.questions())
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
	logins, err := evidence.LoginMetrics(ctx, cloudwatch.NewFromConfig(c.login.AWS), dimension, identifier)
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
