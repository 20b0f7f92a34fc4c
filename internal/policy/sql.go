package policy

import (
	"cmp"
	"fmt"

	"github.com/pgkeyless/pgkeyless/internal/database"
	"github.com/pgkeyless/pgkeyless/internal/dbuser"
)

// SQL is the database's side: statements for psql as the master user, and
// comments. It does not grant rds_iam to the master user by itself: that takes
// the user's password away, which RDS does not tell whether somebody needs.
func SQL(f Facts) string {
	user := dbuser.Quote(cmp.Or(f.User, UnknownUser))
	switch {
	case f.Managed && f.Secret != "":
		return fmt.Sprintf("-- %s is the master user, whose password RDS keeps in the secret: nothing to do.\n"+
			"-- Do not grant it rds_iam, which takes the password away.\n", user)
	case f.Secret != "":
		return fmt.Sprintf("-- The user has a password, the one in the secret. It must not be granted rds_iam, which takes it away.\n"+
			"CREATE USER %s WITH LOGIN PASSWORD 'THE-ONE-IN-THE-SECRET';\n", user)
	case f.Kind == database.DSQL && f.User == "admin":
		return "-- admin is there in every DSQL cluster: nothing to do\n"
	case f.Kind == database.DSQL:
		return fmt.Sprintf("CREATE ROLE %s WITH LOGIN;\nAWS IAM GRANT %[1]s TO 'arn:%s:iam::%s:role/NAME-OF-THE-ROLE';\n", user, f.Partition, f.account())
	case f.Express && f.master():
		return fmt.Sprintf("-- %s is the master user, which logs in by IAM in every express cluster: nothing to do\n", user)
	case f.master():
		return fmt.Sprintf("-- %s is the master user. One that was made for IAM (MasterUserAuthenticationType iam-db-auth): nothing to do.\n"+
			"-- One that logs in with a password keeps it only if it is not granted rds_iam. Make another user, and name that with --user:\n"+
			"--   CREATE USER \"app_user\" WITH LOGIN; GRANT rds_iam TO \"app_user\";\n"+
			"-- Or let it log in with IAM tokens only, which removes its password:\n"+
			"--   GRANT rds_iam TO %[1]s;\n", user)
	case f.Kind == database.Proxy && !f.EndToEnd:
		return fmt.Sprintf("-- The proxy logs in to the database itself. With a secret for each user (the usual way) the user\n"+
			"-- keeps a password, which is in the secret, and must not be granted rds_iam:\n"+
			"CREATE USER %s WITH LOGIN PASSWORD 'THE-ONE-IN-THE-SECRET';\n"+
			"-- With end-to-end IAM authentication it is granted, and the proxy's role needs rds-db:connect on the database:\n"+
			"--   CREATE USER %[1]s WITH LOGIN; GRANT rds_iam TO %[1]s;\n", user)
	}
	return fmt.Sprintf("CREATE USER %s WITH LOGIN;\n%s\n", user, Grant(f))
}

// Grant is the statement that lets an existing user log in with tokens, and with
// nothing else from then on; for the master user a comment, which says so.
func Grant(f Facts) string {
	if f.master() {
		return "-- log in as another user, or, if nobody needs the master user's password any more: GRANT rds_iam TO " + dbuser.Quote(f.User) + ";"
	}
	return "GRANT rds_iam TO " + dbuser.Quote(cmp.Or(f.User, UnknownUser)) + ";"
}
