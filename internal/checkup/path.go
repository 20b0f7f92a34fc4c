package checkup

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"strings"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/database"
	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/internal/doctor"
	"github.com/pgkeyless/pgkeyless/proxy"
	"github.com/pgkeyless/pgkeyless/tunnel"
)

// When the end of a certificate is worth a word. RDS renews servers' by itself,
// roots come with releases.
const (
	leafWorth = 7 * 24 * time.Hour
	rootWorth = 90 * 24 * time.Hour
)

// adminDatabase is there in every RDS database and in DSQL.
const adminDatabase = "postgres"

// connect goes from StartSession to ReadyForQuery as a client's login does.
func (c *Checkup) connect(ctx context.Context) {
	c.wiring.Trace = c.sessionProgress
	if why := c.direct(); why != "" {
		for _, s := range []doctor.Stage{doctor.StartSession, doctor.Websocket} {
			c.walk.Begin(s)
			c.walk.LeaveOut(why)
		}
		c.walk.Begin(doctor.Stream)
	} else {
		c.walk.Begin(doctor.StartSession)
	}
	conn, err := c.logIn(ctx, func(s proxy.ProbeStep) { c.probed(ctx, s) })
	if err != nil {
		c.broken(err)
		return
	}
	c.conn = conn
	text := fmt.Sprintf("as %s to %s, PostgreSQL %s", c.user, cmp.Or(c.target.Database, adminDatabase), conn.Parameter("server_version"))
	if method := conn.Method(); method != "" {
		text += ", by " + method
	}
	if !c.named {
		text += "; --user names another user"
	}
	if other := conn.SignedFor(); other != "" {
		text += "; the token is signed for " + other + ", as after a switchover"
	}
	c.walk.OK(text, c.metAt(conn)...)
}

// logIn goes the way of a client.
func (c *Checkup) logIn(ctx context.Context, report func(proxy.ProbeStep)) (*proxy.ProbeConn, error) {
	if err := c.way(); err != nil {
		return nil, err
	}
	route, err := c.wiring.RouteTo(c.target, c.login)
	if err != nil {
		return nil, err
	}
	route.User = "" // it is named here
	return proxy.Probe(ctx, route, c.user, cmp.Or(c.target.Database, adminDatabase), c.limit, report)
}

// sessionProgress follows the start of the SSM session. The error comes from the
// dial's error: another try may follow.
func (c *Checkup) sessionProgress(p tunnel.Progress) {
	at := c.walk.Current()
	switch {
	case p.Err != nil || at == nil:
	case p.Stage == tunnel.StageSession && at.ID == doctor.StartSession.ID:
		c.walk.OK(p.Session)
		c.walk.Begin(doctor.Websocket)
	case p.Stage == tunnel.StageHandshake && at.ID == doctor.Websocket.ID:
		c.walk.OK("open; handshake done with agent " + p.Agent + " on " + p.JumpHost)
		c.walk.Begin(doctor.Stream)
	}
}

// probed follows the connection.
func (c *Checkup) probed(ctx context.Context, s proxy.ProbeStep) {
	switch {
	case s.Err != nil:
	case s.Stage == proxy.ProbeAnswer:
		c.walk.OK("the database answers")
		c.walk.Begin(doctor.TLS)
	case s.Stage == proxy.ProbeTLS:
		c.tellTLS(*s.TLS)
		c.pastLogins(ctx)
		c.walk.Begin(doctor.Login)
	}
}

// tellTLS says how the connection is secured, and until when that will do.
func (c *Checkup) tellTLS(s tls.ConnectionState) {
	chain := s.VerifiedChains[0]
	leaf, root := chain[0], chain[len(chain)-1]
	text := fmt.Sprintf("%s; certificate for %s until %s; root %q until %s", tls.VersionName(s.Version), s.ServerName,
		leaf.NotAfter.Format(time.DateOnly), cmp.Or(root.Subject.CommonName, root.Subject.String()), root.NotAfter.Format(time.DateOnly))
	if c.kind() == database.DSQL {
		text = howTLSBegan(s) + text
	}
	switch now := time.Now(); {
	case c.renewed():
		c.walk.OK(text)
	case root.NotAfter.Before(now.Add(rootWorth)):
		c.walk.Warn(text, "the root certificate expires soon: move the database to a newer CA (`aws rds modify-db-instance --ca-certificate-identifier …`), and renew pgkeyless or ca-file")
	case leaf.NotAfter.Before(now.Add(leafWorth)):
		c.walk.Warn(text, "the server's certificate expires soon: RDS renews it by itself; a restart may be pending")
	default:
		c.walk.OK(text)
	}
}

// renewed reports whether AWS renews the certificate without anybody's help: it is not the
// database's own, but that of a proxy, of DSQL, or of the gateway of an express cluster.
func (c *Checkup) renewed() bool {
	return c.kind() == database.DSQL || c.kind() == database.Proxy || c.login.Database.Express
}

// howTLSBegan says which way the server took.
func howTLSBegan(s tls.ConnectionState) string {
	if s.NegotiatedProtocol != "" {
		return "direct TLS, "
	}
	return "TLS after an SSLRequest, "
}

// broken ends the walk where the connection did, with what speaks for a cause.
func (c *Checkup) broken(err error) {
	var notes []string
	if at := c.walk.Current(); at != nil && (at.ID == doctor.Login.ID || at.ID == doctor.StartSession.ID || at.ID == doctor.Websocket.ID) {
		notes = append(notes, c.explainedBy(at.ID)...)
		if at.ID == doctor.Login.ID && !c.named && c.kind() != database.DSQL {
			notes = append(notes, fmt.Sprintf("no --user was given, so this login used the name of your account here, %q", c.user))
		}
	}
	if c.mayWake() && causes.Name(err) == causes.LoginOverdue.Name {
		notes = append(notes, "an Aurora cluster that has scaled to zero takes 15 s or more to wake; this attempt has woken it: run doctor again in a minute")
	}
	c.fail(err, notes...)
}

// explainedBy is what simulation and metrics say of a refusal at a stage.
func (c *Checkup) explainedBy(stage string) []string {
	var notes []string
	for _, v := range c.denied {
		if strings.HasPrefix(v.Action, "secretsmanager:") { // whose stage says so itself
			continue
		}
		if aboutLogin := strings.HasPrefix(v.Action, "rds-db:") || strings.HasPrefix(v.Action, "dsql:"); aboutLogin == (stage == doctor.Login.ID) {
			notes = append(notes, "IAM's simulation: "+v.String()+"; "+c.policyHint())
		}
	}
	if stage == doctor.Login.ID && c.logins != nil {
		for _, r := range c.logins.Reasons {
			notes = append(notes, fmt.Sprintf("CloudWatch counts %.0f × %s in the last hour: %s", r.Count, r.Metric, r.Means))
		}
	}
	if stage == doctor.Login.ID && c.absent != nil {
		notes = append(notes, display.Line(c.absent.Error())+"; "+c.otherAccount())
	}
	return notes
}

// mayWake says that the database is one that can scale to zero.
func (c *Checkup) mayWake() bool {
	if c.kind() == database.DSQL {
		return false
	}
	if c.found {
		return strings.HasPrefix(c.login.Database.Engine, "aurora") || c.login.Database.Kind == database.Cluster
	}
	return strings.Contains(c.login.Endpoint.Kind.String(), "cluster")
}
