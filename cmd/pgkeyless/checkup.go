package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/user"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/discover"
	"github.com/pgkeyless/pgkeyless/internal/doctor"
	"github.com/pgkeyless/pgkeyless/internal/evidence"
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

// checkup is one walk along the path to a target, and what it has found out.
type checkup struct {
	target config.Target
	walk   *doctor.Walk
	wiring *wiring
	user   string        // database user
	named  bool          // --user said so
	limit  time.Duration // of the login; 0 is the proxy's own

	aws    aws.Config
	caller evidence.Caller
	clock  evidence.Clock
	login  login
	finder *discover.Finder
	found  bool              // login.database is known
	absent error             // no database has the endpoint
	host   discover.JumpHost // the one to be used; Target is "" when it is not known
	denied []evidence.Verdict
	logins *evidence.Logins
	conn   *proxy.ProbeConn
}

func newCheckup(t config.Target, walk *doctor.Walk, w *wiring) *checkup {
	// One session is enough, and a spare one would have to be ended.
	t.Sessions, t.KeepAlive = 1, config.KeepAliveOff
	return &checkup{target: t, walk: walk, wiring: w, user: cmp.Or(t.User, accountName()), named: t.User != ""}
}

// accountName is whom libpq would log in as.
func accountName() string {
	u, err := user.Current()
	if err != nil {
		return "postgres"
	}
	return u.Username
}

// wholePath is the walk of doctor.
func (c *checkup) wholePath() []step {
	return []step{c.credentials, c.compareClocks, c.endpoint, c.iamOn, c.resourceID, c.jumpHost, c.permissions, c.connect, c.rights, c.speed}
}

func (c *checkup) close() {
	if c.conn != nil {
		c.conn.Close()
	}
}

// fail ends the walk with what err says about itself.
func (c *checkup) fail(err error, notes ...string) {
	r := doctor.Result{Text: oneLine(err.Error()), Mend: hintOf(err)}
	if d, ok := errors.AsType[interface {
		error
		Detail() string
	}](err); ok && d.Detail() != "" {
		r.Notes = append(r.Notes, oneLine(d.Detail()))
	}
	if s, ok := errors.AsType[interface {
		error
		SQLState() string
	}](err); ok {
		r.State = s.SQLState()
	}
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
func (c *checkup) direct() string {
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
	return fmt.Sprintf("not asked: %s", oneLine(err.Error()))
}
