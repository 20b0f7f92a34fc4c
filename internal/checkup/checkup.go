package checkup

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os/user"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/clock"
	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/credentials"
	"github.com/pgkeyless/pgkeyless/internal/discover"
	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/internal/doctor"
	"github.com/pgkeyless/pgkeyless/internal/evidence"
	"github.com/pgkeyless/pgkeyless/internal/targets"
	"github.com/pgkeyless/pgkeyless/proxy"
)

const (
	// askTimeout bounds what one stage asks of AWS, with the SDK's retries.
	askTimeout = 20 * time.Second
	// evidenceTimeout bounds a question that nothing depends on.
	evidenceTimeout = 5 * time.Second
)

// Config says what a Checkup looks at.
type Config struct {
	Target config.Target
	// LoginTimeout bounds the login; 0 is the proxy's own bound.
	LoginTimeout time.Duration
	// Walk shows what WalkPath finds; the other methods need none.
	Walk *doctor.Walk
	// Profiles holds the AWS credentials.
	Profiles *credentials.Profiles
	Log      *slog.Logger
}

// Checkup is one look at the path to a target, and what it has found out. It is
// for one goroutine, and ended with Close.
type Checkup struct {
	target config.Target
	walk   *doctor.Walk
	wiring *targets.Wiring
	limit  time.Duration // of the login
	user   string        // of the database
	named  bool          // --user said so

	aws    aws.Config
	caller credentials.Caller
	clock  clock.Reading
	login  targets.Login
	finder *discover.Finder
	found  bool              // login.Database is known
	absent error             // no database has the endpoint
	host   discover.JumpHost // the one to be used; Target is "" when it is not known
	denied []evidence.Verdict
	logins *evidence.Logins
	conn   *proxy.ProbeConn

	passwords    *targets.Passwords // of a target with a secret; nil until it is known
	passwordsErr error              // why it is not
	secretARN    string             // "" until AWS has said it
	// secretKey is the ARN of the customer's key that encrypts the secret, "" for one of
	// AWS's own where keyKnown: the credentials may not be allowed to ask.
	secretKey string
	keyKnown  bool
}

// New prepares a Checkup, and looks at nothing yet.
func New(cfg Config) *Checkup {
	t := cfg.Target
	// One session is enough, and a spare one would have to be ended.
	t.Sessions, t.KeepAlive = 1, config.KeepAliveOff
	return &Checkup{
		target: t, walk: cfg.Walk, wiring: targets.New(cfg.Log, cfg.Profiles), limit: cfg.LoginTimeout,
		user: cmp.Or(t.UsualUser(), accountName()), named: t.User != "",
	}
}

// accountName is whom libpq would log in as.
func accountName() string {
	u, err := user.Current()
	if err != nil {
		return "postgres"
	}
	return u.Username
}

// WalkPath goes from link to link, and tells the Walk of each. It ends with the
// first that is broken, or with ctx.
func (c *Checkup) WalkPath(ctx context.Context) {
	for _, look := range []func(context.Context){
		c.credentials, c.compareClocks, c.endpoint, c.iamOn, c.resourceID, c.rdsProxy, c.secret, c.jumpHost, c.permissions, c.connect, c.rights, c.speed,
	} {
		if look(ctx); c.walk.HasFailed() || ctx.Err() != nil {
			return
		}
	}
}

// Close ends the connection and the SSM session that are left. It waits for that a
// few seconds at most, also when ctx has ended.
func (c *Checkup) Close(ctx context.Context) {
	if c.conn != nil {
		c.conn.Close()
	}
	c.wiring.End(ctx)
}

// fail ends the walk with what err says about itself.
func (c *Checkup) fail(err error, notes ...string) {
	r := doctor.Result{Text: display.Line(err.Error()), Fix: causes.Hint(err)}
	if detail := causes.Detail(err); detail != "" {
		r.Notes = append(r.Notes, display.Line(detail))
	}
	r.State = causes.SQLState(err)
	r.Notes = append(r.Notes, notes...)
	if r.Fix == "" {
		r.Fix = "see the database's log; " + c.command("doctor") + " --debug-logs shows more of this side"
	}
	c.walk.Fail(r)
}

// direct says why no jump host is on the path, or "".
func (c *Checkup) direct() string {
	switch {
	case c.target.Dial != "":
		return "no jump host: dial=" + c.target.Dial
	case c.target.Via == config.ViaNone:
		return "no jump host: via=none"
	case c.target.Via == "" && c.login.Public():
		return "no jump host: the database is public"
	}
	return ""
}

// way is an error when nothing says how to reach the database.
func (c *Checkup) way() error {
	_, err := targets.Way(c.target, c.login)
	return err
}

// mayNotAsk words a refusal of something optional.
func mayNotAsk(err error) string {
	return fmt.Sprintf("not asked: %s", display.Line(err.Error()))
}
