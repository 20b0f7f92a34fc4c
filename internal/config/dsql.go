package config

import (
	"cmp"
	"strings"
)

// What every Aurora DSQL cluster has from the start.
//
// Source: Aurora DSQL user guide, "Accessing Aurora DSQL with PostgreSQL-compatible
// clients".
const (
	DSQLUser     = "admin"
	DSQLDatabase = "postgres" // there is no other
)

// DSQL reports whether the target's own name, an endpoint or an ARN, says that it is an
// Aurora DSQL cluster. A bare identifier does not say so: that of an RDS database may have
// the same form.
func (t Target) DSQL() bool {
	if t.Ref != "" {
		return dsqlARN.MatchString(t.Ref)
	}
	_, rest, _ := strings.Cut(strings.ToLower(t.Endpoint), ".")
	service, rest, _ := strings.Cut(rest, ".")
	host, _, _ := strings.Cut(rest, ":")
	return (service == "dsql" || strings.HasPrefix(service, "dsql-")) && strings.HasSuffix(strings.TrimSuffix(host, "."), ".on.aws")
}

// UsualUser is whom clients log in as where nothing else is said; "" leaves that to them.
func (t Target) UsualUser() string {
	if t.User == "" && t.DSQL() {
		return DSQLUser
	}
	return t.User
}

// UsualDatabase is UsualUser for the database.
func (t Target) UsualDatabase() string {
	if t.DSQL() {
		return cmp.Or(t.Database, DSQLDatabase)
	}
	return t.Database
}
