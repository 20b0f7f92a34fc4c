package checkup

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/pgkeyless/pgkeyless/internal/database"
	"github.com/pgkeyless/pgkeyless/internal/discover"
	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/internal/doctor"
	"github.com/pgkeyless/pgkeyless/internal/targets"
	"github.com/pgkeyless/pgkeyless/proxy"
)

// rdsProxy tells how an RDS Proxy serves its clients. Other paths have no such stage.
func (c *Checkup) rdsProxy(ctx context.Context) {
	if c.kind() != database.Proxy {
		return
	}
	c.walk.Begin(doctor.RDSProxy)
	if !c.found {
		c.walk.Skip("not described by RDS")
		return
	}
	db := c.login.Database
	facts := []string{
		"IAMAuth " + cmp.Or(db.Pool.IAMAuth, "not set"),
		"DefaultAuthScheme " + map[bool]string{true: "IAM_AUTH", false: "NONE"}[db.Pool.EndToEnd],
		map[bool]string{true: "requires TLS", false: "does not require TLS"}[db.Pool.RequireTLS],
	}
	if db.Pool.Idle > 0 {
		facts = append(facts, "ends idle clients after "+db.Pool.Idle.String())
	}
	notes := []string{"it logs in to its database with the user's secret in Secrets Manager"}
	if db.Pool.EndToEnd {
		notes = []string{fmt.Sprintf("it logs in to its database by IAM: its role %s must allow rds-db:connect on the database's own resource id, as %s",
			cmp.Or(db.Pool.Role, "(which RDS does not name)"), c.user)}
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	connected, err := c.finder.ProxyTargets(ctx, db.Identifier)
	if err != nil {
		c.walk.OK(strings.Join(facts, ", "), append(notes, "its targets are not known: "+display.Line(err.Error()))...)
		return
	}
	words, fix := targetsInWords(connected)
	text := strings.Join(append(facts, words), ", ")
	if fix != "" {
		c.walk.Warn(text, fix, notes...)
		return
	}
	c.walk.OK(text, notes...)
}

// targetsInWords says which databases the proxy reaches, and what to do where it reaches
// none.
func targetsInWords(all []discover.ProxyTarget) (words, fix string) {
	const fixes = "see the target group in the RDS console: the proxy's security group, the database's state, and the proxy's secrets or role"
	available := 0
	var each []string
	for _, t := range all {
		word := display.Line(t.Name) + " " + cmp.Or(strings.ToLower(t.State), "in an unknown state")
		if t.Why != "" {
			word += " (" + t.Why + ")"
		}
		each = append(each, word)
		if t.State == "AVAILABLE" {
			available++
		}
	}
	switch {
	case len(all) == 0:
		return "no target is registered", "register a database with the proxy: `aws rds register-db-proxy-targets`"
	case available == 0:
		fix = fixes
	}
	return "targets: " + display.Few(each, 5), fix
}

// metAt is what a login has shown of an RDS Proxy where AWS's documentation is silent, or
// might change.
func (c *Checkup) metAt(conn *proxy.ProbeConn) []string {
	if c.kind() != database.Proxy {
		return nil
	}
	met := "this proxy asks for the token in clear text"
	if method := conn.Method(); method != "" {
		met = "this proxy asks for the password by " + method
	} else if !conn.AskedForToken() {
		met = "this proxy did not ask for the token"
	}
	if conn.CancelKey() {
		met += ", and sends cancel keys: a cancel request may work"
	} else {
		met += ", and sends no cancel key: cancel requests cannot work"
	}
	notes := []string{met}
	if len(targets.Guards(c.target.Options)) > 0 {
		notes = append(notes, "read-only and statement-timeout are set after the login, which pins the session to one database connection",
			"RESET ALL and DISCARD ALL, which some connection pools send, remove read-only and statement-timeout: set the same values with ALTER ROLE … SET at the database")
	}
	return notes
}
