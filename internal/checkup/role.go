package checkup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/database"
	"github.com/pgkeyless/pgkeyless/internal/dbuser"
	"github.com/pgkeyless/pgkeyless/internal/doctor"
	"github.com/pgkeyless/pgkeyless/internal/policy"
)

// queryTimeout bounds one small query.
const queryTimeout = 15 * time.Second

// rightsQuery asks for one row: the user, whether it may log in, and by which
// roles it is in rds_iam ("" when it is not). pg_has_role would say of a superuser
// that it is in every role.
const rightsQuery = `with recursive member(oid, path) as (
  select oid, rolname::text from pg_catalog.pg_roles where rolname = current_user
  union all
  select m.roleid, member.path || ' > ' || r.rolname
    from member
    join pg_catalog.pg_auth_members m on m.member = member.oid
    join pg_catalog.pg_roles r on r.oid = m.roleid)
select current_user, (select rolcanlogin from pg_catalog.pg_roles where rolname = current_user),
  coalesce((select path from member join pg_catalog.pg_roles r using (oid) where r.rolname = 'rds_iam' order by length(path) limit 1), '')`

// role is what the database says of the user that is logged in.
type role struct {
	name     string
	canLogin bool
	path     string // of roles to rds_iam, itself the last; "" for none
}

func (c *Checkup) role(ctx context.Context) (role, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	rows, err := c.conn.Query(ctx, rightsQuery)
	if err != nil {
		return role{}, err
	}
	if len(rows) != 1 || len(rows[0]) != 3 {
		return role{}, errors.New("the database's answer about the user's roles has another form than asked for")
	}
	return role{rows[0][0], rows[0][1] == "t", rows[0][2]}, nil
}

// iamByRole says whether the database lets in by token those who are in rds_iam.
func (c *Checkup) iamByRole() bool {
	return c.kind().IAMByRole()
}

// rights looks at the role that the login got.
func (c *Checkup) rights(ctx context.Context) {
	c.walk.Begin(doctor.Rights)
	if c.kind() == database.DSQL {
		c.walk.LeaveOut("DSQL maps IAM identities to roles itself")
		return
	}
	r, err := c.role(ctx)
	switch {
	case err != nil:
		c.fail(err)
	case c.byPassword() && r.canLogin:
		c.walk.OK(r.name + " is logged in with the password in the secret")
	case c.login.Database.Pool.EndToEnd && r.path != "":
		c.walk.OK(fmt.Sprintf("%s is logged in, by IAM end to end, and is in rds_iam (%s)", r.name, r.path))
	case !c.iamByRole():
		c.walk.OK(fmt.Sprintf("%s is logged in; behind an RDS Proxy the user need not be in rds_iam", r.name))
	case r.path == "" && c.masterByIAM(r.name):
		c.walk.OK(r.name + " is the master user, and logs in by IAM without being in rds_iam")
	case r.path == "":
		c.walk.Fail(doctor.Result{
			Text:  fmt.Sprintf("%s is not in rds_iam, but was let in", r.name),
			Notes: []string{map[bool]string{true: "the database asked for the token, and accepted it by its own rules", false: "the database asked for no password: anyone who reaches it gets in"}[c.conn.AskedForToken()]},
			Fix:   "as the master user: " + policy.Grant(c.facts()) + " On a database that is no RDS, see its pg_hba.conf",
			State: "28000",
		})
	case !r.canLogin:
		c.walk.Fail(doctor.Result{Text: r.name + " may not log in any more", Fix: fmt.Sprintf("ALTER ROLE %s WITH LOGIN;", dbuser.Quote(r.name)), State: "28000"})
	default:
		c.walk.OK(fmt.Sprintf("%s may log in, and is in rds_iam (%s)", r.name, r.path))
	}
}

// masterByIAM says that user, who has logged in by a token, is a master user that
// was made for that.
func (c *Checkup) masterByIAM(user string) bool {
	return c.conn.AskedForToken() && user != "" && user == c.login.Database.MasterUser
}
