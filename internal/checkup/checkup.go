package checkup

import (
	"cmp"
	"context"
	"fmt"
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

// step is one or more stages. It begins and ends them on the walk.
type step func(context.Context)

// Checkup is one walk along the path to a target, and what it has found out.
type Checkup struct {
	target config.Target
	walk   *doctor.Walk
	Wiring *targets.Wiring
	User   string        // database user
	Named  bool          // --user said so
	Limit  time.Duration // of the login; 0 is the proxy's own

	AWS    aws.Config
	Caller credentials.Caller
	clock  clock.Reading
	Login  targets.Login
	finder *discover.Finder
	found  bool              // login.database is known
	absent error             // no database has the endpoint
	host   discover.JumpHost // the one to be used; Target is "" when it is not known
	denied []evidence.Verdict
	logins *evidence.Logins
	conn   *proxy.ProbeConn
}

func New(t config.Target, walk *doctor.Walk, w *targets.Wiring) *Checkup {
	// One session is enough, and a spare one would have to be ended.
	t.Sessions, t.KeepAlive = 1, config.KeepAliveOff
	return &Checkup{target: t, walk: walk, Wiring: w, User: cmp.Or(t.User, AccountName()), Named: t.User != ""}
}

// AccountName is whom libpq would log in as.
func AccountName() string {
	u, err := user.Current()
	if err != nil {
		return "postgres"
	}
	return u.Username
}

// WholePath is the walk of doctor.
func (c *Checkup) WholePath() []step {
	return []step{c.credentials, c.compareClocks, c.endpoint, c.iamOn, c.resourceID, c.jumpHost, c.permissions, c.connect, c.rights, c.speed}
}

func (c *Checkup) Close() {
	if c.conn != nil {
		c.conn.Close()
	}
}

// fail ends the walk with what err says about itself.
func (c *Checkup) fail(err error, notes ...string) {
	r := doctor.Result{Text: display.Line(err.Error()), Mend: causes.Hint(err)}
	if detail := causes.Detail(err); detail != "" {
		r.Notes = append(r.Notes, display.Line(detail))
	}
	r.State = causes.SQLState(err)
	r.Notes = append(r.Notes, notes...)
	switch {
	case r.Mend != "":
	case r.State == unknownDatabase:
		r.Mend = "name a database that exists: --dbname NAME"
	default:
		r.Mend = "see the database's log; " + c.command("doctor") + " --debug-logs tells more of this side"
	}
	c.walk.Fail(r)
}

// unknownDatabase is SQLSTATE invalid_catalog_name.
const unknownDatabase = "3D000"

// direct says why no jump host is on the path, or "".
func (c *Checkup) direct() string {
	switch {
	case c.target.Dial != "":
		return "no jump host: dial=" + c.target.Dial
	case c.target.Via == config.ViaNone:
		return "no jump host: via=none"
	}
	return ""
}

// mayNotAsk words a refusal of something optional.
func mayNotAsk(err error) string {
	return fmt.Sprintf("not asked: %s", display.Line(err.Error()))
}
