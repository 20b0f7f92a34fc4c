package policy

import (
	"cmp"
	"fmt"

	"github.com/pgkeyless/pgkeyless/internal/database"
	"github.com/pgkeyless/pgkeyless/internal/dbuser"
)

// SQL is the database's side: statements for psql as the master user, and
// comments. It never grants rds_iam to the master user, who could then log in
// with a token only.
func SQL(f Facts) string {
	user := dbuser.Quote(cmp.Or(f.User, UnknownUser))
	switch {
	case f.Kind == database.DSQL && f.User == "admin":
		return "-- admin is there in every DSQL cluster: nothing to do\n"
	case f.Kind == database.DSQL:
		return fmt.Sprintf("CREATE ROLE %s WITH LOGIN;\nAWS IAM GRANT %[1]s TO 'arn:%s:iam::%s:role/NAME-OF-THE-ROLE';\n", user, f.Partition, f.account())
	case f.master():
		return fmt.Sprintf("-- %s is the master user, which must not be granted rds_iam: its password would no longer work.\n"+
			"-- Make a user of its own, and name that with --user:\n"+
			"--   CREATE USER \"app_user\" WITH LOGIN; GRANT rds_iam TO \"app_user\";\n", user)
	case f.Kind == database.Proxy:
		return fmt.Sprintf("-- The proxy logs in to the database itself. With a secret for each user (the usual way) the user\n"+
			"-- keeps a password, which is in the secret, and must not be granted rds_iam:\n"+
			"CREATE USER %s WITH LOGIN PASSWORD 'THE-ONE-IN-THE-SECRET';\n"+
			"-- With end-to-end IAM authentication it is granted, and the proxy's role needs rds-db:connect on the database:\n"+
			"--   CREATE USER %[1]s WITH LOGIN; GRANT rds_iam TO %[1]s;\n", user)
	}
	return fmt.Sprintf("CREATE USER %s WITH LOGIN;\n%s\n", user, Grant(f))
}

// Grant is the statement that lets an existing user log in with tokens, and with
// nothing else from then on; a comment in its place for the master user.
func Grant(f Facts) string {
	if f.master() {
		return "-- nothing for " + dbuser.Quote(f.User) + ", the master user: log in as another"
	}
	return "GRANT rds_iam TO " + dbuser.Quote(cmp.Or(f.User, UnknownUser)) + ";"
}
