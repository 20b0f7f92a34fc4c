package doctor

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

func TestDoctorFindsAllGood(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		args   func(*rig.Clinic) []string
		status map[string]string // where not ok
		texts  map[string]string
	}{
		{"through a jump host", func(c *rig.Clinic) []string { return []string{c.Target("user=app_user")} }, nil, map[string]string{
			"credentials": lab.ARN, "endpoint": lab.Endpoint, "resource-id": rig.OrdersID, "jump-host": lab.Target + " is online, agent 3.3.1142.0",
			"start-session": "ada-", "websocket": "agent 3.3.1142.0", "tls": "certificate for " + lab.Host, "login": "as app_user to postgres, PostgreSQL " + strings.Fields(rig.Shared.Database.ServerVersion())[0],
			"rights": "app_user > rds_iam", "speed": "round trip",
		}},
		{"by identifier", func(c *rig.Clinic) []string {
			return []string{"orders?region=eu-central-1&via=" + lab.Target + "&ca-file=" + c.Database.CAFile(), "--user", "app_user", "--dbname", "app"}
		}, nil, map[string]string{"endpoint": "instance orders: " + lab.Endpoint, "login": "to app,"}},
		{"without a tunnel", func(c *rig.Clinic) []string {
			return []string{lab.Host + "?user=app_user&dial=" + c.Database.Address() + "&ca-file=" + c.Database.CAFile()}
		}, map[string]string{"jump-host": "left_out", "start-session": "left_out", "websocket": "left_out"}, map[string]string{"jump-host": "dial="}},
		{"without any permission to look", func(c *rig.Clinic) []string {
			for _, call := range []string{"DescribeDBInstances", "DescribeInstanceInformation", "SimulatePrincipalPolicy", "GetMetricData"} {
				c.AWS.FailNext(call, "AccessDenied", "User: "+lab.ARN+" is not authorized to perform: x:"+call+" on resource: *", -1)
			}
			return []string{c.Target("user=app_user")}
		}, map[string]string{"iam-authentication": "skipped", "resource-id": "skipped", "jump-host": "skipped", "permissions": "skipped", "login-metrics": "skipped"},
			map[string]string{"resource-id": "aws rds describe-db-instances", "permissions": "not permitted: iam:SimulatePrincipalPolicy"}},
		{"with STS out of reach", func(c *rig.Clinic) []string {
			c.Env = func(env []string) []string {
				return append(env, "AWS_ENDPOINT_URL_STS=http://"+rig.ClosedPort, "AWS_MAX_ATTEMPTS=1")
			}
			return []string{c.Target("user=app_user")}
		}, map[string]string{"credentials": "warning", "clock": "skipped", "permissions": "skipped"},
			map[string]string{"credentials": "found; whose they are is unknown: sts:GetCallerIdentity: dial tcp", "permissions": "the identity whose policies to simulate is unknown"}},
		{"with STS refused by an endpoint's policy", func(c *rig.Clinic) []string {
			c.AWS.FailNext("GetCallerIdentity", "AccessDenied", "no", -1)
			return []string{c.Target("user=app_user")}
		}, map[string]string{"credentials": "warning", "permissions": "skipped"}, map[string]string{"credentials": "sts:GetCallerIdentity answers AccessDenied"}},
		{"at an endpoint that is not listed", func(c *rig.Clinic) []string {
			c.AWS.SetDatabases(awsemu.Databases{Instances: []awsemu.DBInstance{{Identifier: "orders", ResourceID: rig.OrdersID, Host: "orders.c1234567890x.eu-central-1.rds.amazonaws.com"}}})
			return []string{c.Target("user=app_user")}
		}, map[string]string{"iam-authentication": "skipped", "resource-id": "warning", "login-metrics": "skipped"}, map[string]string{"resource-id": "not known: no database in eu-central-1"}},
		{"with metrics denied only", func(c *rig.Clinic) []string {
			c.AWS.FailNext("GetMetricData", "AccessDenied", "no", -1)
			return []string{c.Target("user=app_user")}
		}, map[string]string{"login-metrics": "skipped"}, map[string]string{"login-metrics": "not permitted: cloudwatch:GetMetricData"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := rig.OpenClinic(t, nil, nil)
			lines, code := c.Stages(test.args(c)...)
			if code != 0 {
				t.Errorf("exit code %d", code)
			}
			var got []string
			for _, l := range lines[:len(lines)-1] {
				got = append(got, l.Stage)
				want := "ok"
				if s, ok := test.status[l.Stage]; ok {
					want = s
				}
				if l.Status != want || !strings.Contains(l.Text, test.texts[l.Stage]) || l.Seconds < 0 {
					t.Errorf("%+v, want %s and %q", l, want, test.texts[l.Stage])
				}
			}
			if strings.Join(got, " ") != strings.Join(rig.AllStages, " ") {
				t.Errorf("stages %v, want %v", got, rig.AllStages)
			}
		})
	}
}

// TestDoctorStopsAtEachStage breaks one link at a time, and reads where doctor
// stops, with which exit code, and what it says fixes it.
func TestDoctorStopsAtEachStage(t *testing.T) {
	denied := func(action, resource string) string {
		return "User: " + lab.ARN + " is not authorized to perform: " + action + " on resource: " + resource
	}
	tests := []struct {
		name   string
		stage  string
		code   int
		broken func(*testing.T, *rig.Clinic) // nil: the arguments are enough
		args   func(*rig.Clinic) []string    // nil: the usual target as app_user
		env    func([]string) []string
		text   string
		more   *regexp.Regexp // of the text; may be nil
		fix    string
		notes  string
	}{
		{name: "no credentials", stage: "credentials", code: 10, env: rig.Without("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
			text: "no usable AWS credentials", fix: "aws sso login"},
		{name: "expired credentials", stage: "credentials", code: 10, broken: func(_ *testing.T, c *rig.Clinic) {
			c.AWS.FailNext("GetCallerIdentity", "ExpiredToken", "The security token included in the request is expired", -1)
		}, text: "expired", fix: "AWS_SESSION_TOKEN"},
		{name: "no network", stage: "jump-host", code: 15, env: func(env []string) []string {
			return append(rig.Without("AWS_ENDPOINT_URL")(env), "AWS_ENDPOINT_URL=http://127.0.0.1:1", "AWS_MAX_ATTEMPTS=1")
		}, text: "connection refused", fix: "check this machine's network, HTTPS_PROXY"},
		{name: "no jump host named", stage: "jump-host", code: 15, args: func(c *rig.Clinic) []string {
			return []string{lab.Host + "?user=app_user&ca-file=" + c.Database.CAFile()}
		}, text: "no jump host given", fix: "`pgkeyless list` shows them", notes: "online in eu-central-1: " + lab.Target},
		// By how much, a busy machine measures within some seconds.
		{name: "clock behind", stage: "clock", code: 11, broken: func(_ *testing.T, c *rig.Clinic) { c.AWS.SetClock(20*time.Minute + 30*time.Second) },
			text: "s behind AWS's", more: regexp.MustCompile(`\b20m\d+s behind AWS's`), fix: "timedatectl set-ntp true"},
		{name: "no such database", stage: "endpoint", code: 12, args: func(*rig.Clinic) []string { return []string{"ordres?region=eu-central-1&via=none"} },
			text: `no database "ordres"`, fix: "did you mean orders?"},
		{name: "IAM authentication off", stage: "iam-authentication", code: 13, broken: func(_ *testing.T, c *rig.Clinic) {
			c.AWS.SetDatabases(rig.OrdersDatabase(func(i *awsemu.DBInstance) { i.NoIAM = true }))
		}, text: "IAM authentication is off", fix: "aws rds modify-db-instance --db-instance-identifier orders --region eu-central-1 --enable-iam-database-authentication"},
		{name: "stopped", stage: "iam-authentication", code: 13, broken: func(_ *testing.T, c *rig.Clinic) {
			c.AWS.SetDatabases(rig.OrdersDatabase(func(i *awsemu.DBInstance) { i.Status = "stopped" }))
		}, text: "is stopped", fix: "aws rds start-db-instance"},
		{name: "deleted database", stage: "resource-id", code: 14, broken: func(_ *testing.T, c *rig.Clinic) {
			all := policyDatabases()
			all.Instances = nil
			c.AWS.SetDatabases(all)
		}, text: lab.Host, fix: "check the name", notes: "c9akciq32abc in the name belongs to account 111122223333 in eu-central-1, as in that of "},
		{name: "tags may not be looked up", stage: "jump-host", code: 15, broken: func(_ *testing.T, c *rig.Clinic) {
			c.AWS.FailNext("DescribeInstanceInformation", "AccessDeniedException", denied("ssm:DescribeInstanceInformation", "*"), -1)
		}, args: func(c *rig.Clinic) []string {
			return []string{lab.Host + "?user=app_user&via=tag:Role=jump&ca-file=" + c.Database.CAFile()}
		}, text: "access denied", fix: "ssm:DescribeInstanceInformation"},
		{name: "jump host offline", stage: "jump-host", code: 15, broken: func(_ *testing.T, c *rig.Clinic) { c.AWS.SetOnline(lab.Target, false) },
			text: "online", fix: "agent"},
		{name: "agent too old", stage: "jump-host", code: 15, broken: func(_ *testing.T, c *rig.Clinic) {
			c.AWS.SetFleet(awsemu.Fleet{Nodes: []awsemu.Node{{ID: lab.Target, Agent: "3.1.1080.0"}}})
		}, text: "too old", fix: "AWS-UpdateSSMAgent"},
		{name: "StartSession denied", stage: "start-session", code: 16, broken: func(_ *testing.T, c *rig.Clinic) {
			c.AWS.FailNext("StartSession", "AccessDeniedException", denied("ssm:StartSession", "arn:aws:ssm:eu-central-1::document/AWS-StartPortForwardingSessionToRemoteHost"), -1)
			c.AWS.SetSimulation(func(_, action, resource string) awsemu.Decision {
				if action == "ssm:StartSession" && strings.Contains(resource, ":document/") {
					return awsemu.ImplicitDeny
				}
				return awsemu.Allowed
			})
		}, text: "access denied", fix: "ssm:StartSession", notes: "no policy allows ssm:StartSession on arn:aws:ssm:eu-central-1::document/"},
		{name: "document missing", stage: "start-session", code: 16, broken: func(_ *testing.T, c *rig.Clinic) {
			c.AWS.FailNext("StartSession", "InvalidDocument", "Document with name X does not exist.", -1)
		}, text: "document", fix: "aws ssm describe-document"},
		{name: "data channel denied", stage: "websocket", code: 17, broken: func(_ *testing.T, c *rig.Clinic) { c.AWS.RefuseUpgrades(403, -1) },
			text: "403", fix: "ssmmessages:OpenDataChannel"},
		{name: "security group", stage: "stream", code: 18, broken: func(t *testing.T, c *rig.Clinic) { c.AWS.SetHost(lab.Endpoint, rig.ClosedPort) },
			text: lab.Endpoint, fix: "security group"},
		{name: "own tunnel is not there", stage: "stream", code: 18, args: func(c *rig.Clinic) []string {
			return []string{lab.Host + "?user=app_user&dial=" + rig.ClosedPort + "&ca-file=" + c.Database.CAFile()}
		}, text: "refused", fix: "tunnel"},
		{name: "unknown authority", stage: "tls", code: 19, args: func(*rig.Clinic) []string {
			return []string{lab.Host + "?user=app_user&via=" + lab.Target}
		}, env: func(env []string) []string { return append(env, "HTTPS_PROXY=http://127.0.0.1:1") }, text: "not trusted", fix: "ca-file"},
		{name: "token refused", stage: "login", code: 20, broken: func(t *testing.T, c *rig.Clinic) {
			c.AWS.SetSimulation(func(_, action, _ string) awsemu.Decision {
				if action == "rds-db:connect" {
					return awsemu.ImplicitDeny
				}
				return awsemu.Allowed
			})
			c.AWS.SetMetric("IamDbAuthConnectionFailure", "DBInstanceIdentifier", "orders", 3)
			c.AWS.SetMetric("IamDbAuthConnectionFailureInsufficientPermissions", "DBInstanceIdentifier", "orders", 3)
		}, args: func(c *rig.Clinic) []string { return []string{c.Target("user=app_user", "region=eu-central-1")} },
			text: "LDAP authentication failed", fix: "rds-db:connect",
			notes: "no policy allows rds-db:connect on arn:aws:rds-db:eu-central-1:111122223333:dbuser:" + rig.OrdersID + "/app_user"},
		{name: "another account's database", stage: "login", code: 20, broken: func(_ *testing.T, c *rig.Clinic) {
			c.AWS.SetDatabases(awsemu.Databases{})
		}, text: "LDAP authentication failed", fix: "rds-db:connect", notes: "these credentials are of account 111122223333"},
		{name: "user without rds_iam", stage: "login", code: 20, args: func(c *rig.Clinic) []string { return []string{c.Target("user=plain_user")} },
			text: "plain_user", fix: `GRANT rds_iam TO "plain_user"`},
		{name: "nobody named", stage: "login", code: 20, args: func(c *rig.Clinic) []string { return []string{c.Target()} },
			text: "not for an IAM token", fix: "GRANT rds_iam", notes: "no --user was given, so this login used the name of your account here"},
		{name: "unknown database", stage: "login", code: 20, args: func(c *rig.Clinic) []string { return []string{c.Target("user=app_user", "dbname=nowhere")} },
			text: `database "nowhere" does not exist`, fix: "--dbname"},
		{name: "let in without rds_iam", stage: "rights", code: 21, args: func(c *rig.Clinic) []string { return []string{c.Target("user=guest")} },
			text: "guest is not in rds_iam", fix: `GRANT rds_iam TO "guest";`, notes: "asked for no password"},
		{name: "queries too slow", stage: "speed", code: 22, args: func(c *rig.Clinic) []string { return []string{c.Target("user=hasty")} },
			text: "statement timeout", fix: "--debug-logs"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			database := rig.Shared.Database
			switch test.name {
			case "token refused", "another account's database":
				database = strangersDatabase(t)
			case "let in without rds_iam", "queries too slow":
				database = oddDatabase(t)
			}
			c := rig.OpenClinic(t, database, nil)
			if test.broken != nil {
				test.broken(t, c)
			}
			args := []string{c.Target("user=app_user")}
			if test.args != nil {
				args = test.args(c)
			}
			if test.env != nil {
				c.Env = test.env
			}
			lines, code := c.Stages(args...)
			if code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			failed := lines[len(lines)-2]
			if failed.Stage != test.stage || failed.Status != "failed" || lines[len(lines)-1].FailedStage != test.stage {
				t.Fatalf("stopped with %+v, want %s", failed, test.stage)
			}
			for _, l := range lines[:len(lines)-2] {
				if l.Status == "failed" {
					t.Errorf("%+v and went on", l)
				}
			}
			for what, pair := range map[string][2]string{"text": {failed.Text, test.text}, "fix": {failed.Fix, test.fix}, "notes": {strings.Join(failed.Notes, "\n"), test.notes}} {
				if !strings.Contains(pair[0], pair[1]) {
					t.Errorf("%s %q lacks %q", what, pair[0], pair[1])
				}
			}
			if test.more != nil && !test.more.MatchString(failed.Text) {
				t.Errorf("text %q does not match %s", failed.Text, test.more)
			}
			t.Logf("%+v", failed)
		})
	}
}

// strangersDatabase knows other keys than those that doctor has.
func strangersDatabase(t *testing.T) *pgserver.Server {
	t.Helper()
	return rig.StartDatabase(t, lab.NewCredentials(), nil)
}

// oddDatabase lets guest in without a question, and hasty with a token but no
// time for large answers.
func oddDatabase(t *testing.T) *pgserver.Server {
	t.Helper()
	db := rig.StartDatabase(t, rig.Shared.Keys, func(c *pgserver.Config) { c.ExtraHBA = "hostssl all guest all trust\n" })
	// What repeat is here ends as by a timeout. One that PostgreSQL measures would end small
	// queries on a busy machine, too.
	const roles = `create role guest login; create role hasty login in role rds_iam;
		create schema slow; grant usage on schema slow to hasty;
		create function slow.repeat(text, integer) returns text language plpgsql volatile
			as $$ begin raise query_canceled using message = 'canceling statement due to statement timeout'; end $$;
		alter role hasty set search_path = slow, pg_catalog`
	admin, err := pgx.Connect(t.Context(), strings.Replace(db.AdminURL(), "/"+pgserver.Database+"?", "/postgres?", 1))
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(t.Context())
	if _, err := admin.Exec(t.Context(), roles); err != nil {
		t.Fatal(err)
	}
	return db
}
