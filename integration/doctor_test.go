package integration

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// The emulated account's one database, as RDS describes it.
const ordersID = "db-ABCDEFGHIJKLMNOPQRSTUVWXYZ"

func ordersDatabase(change func(*awsemu.DBInstance)) awsemu.Databases {
	i := awsemu.DBInstance{Identifier: "orders", ResourceID: ordersID, Host: lab.Host}
	if change != nil {
		change(&i)
	}
	return awsemu.Databases{Instances: []awsemu.DBInstance{i}}
}

// clinic is an emulated AWS for commands that look and end.
type clinic struct {
	t        *testing.T
	aws      *awsemu.Emulator
	database *pgserver.Server
	env      func([]string) []string // changes the command's environment; may be nil
}

func openClinic(t *testing.T, database *pgserver.Server, change func(*awsemu.Config)) *clinic {
	t.Helper()
	if database == nil {
		database = shared.database
	}
	aws, err := lab.StartAWS(shared.keys, database.Address(), func(c *awsemu.Config) {
		c.Pace, c.AckWithin = -1, 15*time.Second
		if change != nil {
			change(c)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	aws.SetDatabases(ordersDatabase(nil))
	aws.SetFleet(awsemu.Fleet{Nodes: []awsemu.Node{{ID: lab.Target}}})
	c := &clinic{t: t, aws: aws, database: database}
	t.Cleanup(func() {
		(&world{t: t, aws: aws}).awaitSessionsEnded()
		if broken := aws.Violations(); len(broken) > 0 {
			t.Errorf("protocol violations: %q", broken)
		}
		aws.Close()
	})
	return c
}

// run runs one command, whose output must hold nothing secret.
func (c *clinic) run(args ...string) (stdout, stderr string, code int) {
	c.t.Helper()
	env := shared.keys.Env(c.aws.URL())
	if c.env != nil {
		env = c.env(env)
	}
	stdout, stderr, code = command(c.t, env, args...)
	checkOutput(c.t, stdout+stderr)
	return stdout, stderr, code
}

// target is the usual one with further options.
func (c *clinic) target(options ...string) string {
	return lab.TargetArg(c.database.CAFile(), options...)
}

// stageLine is what doctor --json prints of a stage, or at the end.
type stageLine struct {
	Stage, Status, Text, Mend, SQLState string
	Seconds                             float64
	Notes                               []string
	Result                              string
	FailedStage                         string `json:"failed_stage"`
	ExitCode                            int    `json:"exit_code"`
}

// stages runs doctor --json.
func (c *clinic) stages(args ...string) (lines []stageLine, code int) {
	c.t.Helper()
	stdout, stderr, code := c.run(append([]string{"doctor", "--json"}, args...)...)
	for dec := json.NewDecoder(strings.NewReader(stdout)); dec.More(); {
		var l stageLine
		if err := dec.Decode(&l); err != nil {
			c.t.Fatalf("%v in\n%s", err, stdout)
		}
		lines = append(lines, l)
	}
	if len(lines) == 0 || stderr != "" {
		c.t.Fatalf("doctor ended with %d, stdout %q, stderr %q", code, stdout, stderr)
	}
	if last := lines[len(lines)-1]; last.ExitCode != code || (last.Result == "ok") != (code == 0) {
		c.t.Errorf("exit code %d, last line %+v", code, last)
	}
	return lines, code
}

var allStages = []string{"credentials", "clock", "endpoint", "iam-authentication", "resource-id", "jump-host", "permissions",
	"start-session", "websocket", "stream", "tls", "login-metrics", "login", "rights", "speed"}

func TestDoctorFindsAllGood(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		args   func(*clinic) []string
		status map[string]string // where not ok
		texts  map[string]string
	}{
		{"through a jump host", func(c *clinic) []string { return []string{c.target("user=app_user")} }, nil, map[string]string{
			"credentials": lab.ARN, "endpoint": lab.Endpoint, "resource-id": ordersID, "jump-host": lab.Target + " is online, agent 3.3.1142.0",
			"start-session": "ada-", "websocket": "agent 3.3.1142.0", "tls": "certificate for " + lab.Host, "login": "as app_user to postgres, PostgreSQL " + strings.Fields(shared.database.ServerVersion())[0],
			"rights": "app_user > rds_iam", "speed": "round trip",
		}},
		{"by identifier", func(c *clinic) []string {
			return []string{"orders?region=eu-central-1&via=" + lab.Target + "&ca-file=" + c.database.CAFile(), "--user", "app_user", "--dbname", "app"}
		}, nil, map[string]string{"endpoint": "instance orders: " + lab.Endpoint, "login": "to app,"}},
		{"without a tunnel", func(c *clinic) []string {
			return []string{lab.Host + "?user=app_user&dial=" + c.database.Address() + "&ca-file=" + c.database.CAFile()}
		}, map[string]string{"jump-host": "left_out", "start-session": "left_out", "websocket": "left_out"}, map[string]string{"jump-host": "dial="}},
		{"without any permission to look", func(c *clinic) []string {
			for _, call := range []string{"DescribeDBInstances", "DescribeInstanceInformation", "SimulatePrincipalPolicy", "GetMetricData"} {
				c.aws.FailNext(call, "AccessDenied", "User: "+lab.ARN+" is not authorized to perform: x:"+call+" on resource: *", -1)
			}
			return []string{c.target("user=app_user")}
		}, map[string]string{"iam-authentication": "skipped", "resource-id": "skipped", "jump-host": "skipped", "permissions": "skipped", "login-metrics": "skipped"},
			map[string]string{"resource-id": "aws rds describe-db-instances", "permissions": "not permitted: iam:SimulatePrincipalPolicy"}},
		{"with STS out of reach", func(c *clinic) []string {
			c.env = func(env []string) []string {
				return append(env, "AWS_ENDPOINT_URL_STS=http://"+closedPort, "AWS_MAX_ATTEMPTS=1")
			}
			return []string{c.target("user=app_user")}
		}, map[string]string{"credentials": "warning", "clock": "skipped", "permissions": "skipped"},
			map[string]string{"credentials": "found; whose they are is not known: sts:GetCallerIdentity: dial tcp", "permissions": "not known whose policies"}},
		{"with STS refused by an endpoint's policy", func(c *clinic) []string {
			c.aws.FailNext("GetCallerIdentity", "AccessDenied", "no", -1)
			return []string{c.target("user=app_user")}
		}, map[string]string{"credentials": "warning", "permissions": "skipped"}, map[string]string{"credentials": "sts:GetCallerIdentity answers AccessDenied"}},
		{"at an endpoint that is not listed", func(c *clinic) []string {
			c.aws.SetDatabases(awsemu.Databases{Instances: []awsemu.DBInstance{{Identifier: "orders", ResourceID: ordersID, Host: "orders.c1234567890x.eu-central-1.rds.amazonaws.com"}}})
			return []string{c.target("user=app_user")}
		}, map[string]string{"iam-authentication": "skipped", "resource-id": "warning", "login-metrics": "skipped"}, map[string]string{"resource-id": "not known: no database in eu-central-1"}},
		{"with metrics denied only", func(c *clinic) []string {
			c.aws.FailNext("GetMetricData", "AccessDenied", "no", -1)
			return []string{c.target("user=app_user")}
		}, map[string]string{"login-metrics": "skipped"}, map[string]string{"login-metrics": "not permitted: cloudwatch:GetMetricData"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := openClinic(t, nil, nil)
			lines, code := c.stages(test.args(c)...)
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
			if strings.Join(got, " ") != strings.Join(allStages, " ") {
				t.Errorf("stages %v, want %v", got, allStages)
			}
		})
	}
}

// TestDoctorStopsAtEachStage breaks one link at a time, and reads where doctor
// stops, with which exit code, and what it says mends it.
func TestDoctorStopsAtEachStage(t *testing.T) {
	denied := func(action, resource string) string {
		return "User: " + lab.ARN + " is not authorized to perform: " + action + " on resource: " + resource
	}
	tests := []struct {
		name   string
		stage  string
		code   int
		broken func(*testing.T, *clinic) // nil: the arguments are enough
		args   func(*clinic) []string    // nil: the usual target as app_user
		env    func([]string) []string
		text   string
		mend   string
		notes  string
	}{
		{name: "no credentials", stage: "credentials", code: 10, env: without("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
			text: "no usable AWS credentials", mend: "aws sso login"},
		{name: "expired credentials", stage: "credentials", code: 10, broken: func(_ *testing.T, c *clinic) {
			c.aws.FailNext("GetCallerIdentity", "ExpiredToken", "The security token included in the request is expired", -1)
		}, text: "expired", mend: "AWS_SESSION_TOKEN"},
		{name: "no network", stage: "jump-host", code: 15, env: func(env []string) []string {
			return append(without("AWS_ENDPOINT_URL")(env), "AWS_ENDPOINT_URL=http://127.0.0.1:1", "AWS_MAX_ATTEMPTS=1")
		}, text: "connection refused", mend: "check this machine's network, HTTPS_PROXY"},
		{name: "clock behind", stage: "clock", code: 11, broken: func(_ *testing.T, c *clinic) { c.aws.SetClock(20 * time.Minute) },
			text: "20m0s behind AWS's", mend: "timedatectl set-ntp true"},
		{name: "no such database", stage: "endpoint", code: 12, args: func(*clinic) []string { return []string{"ordres?region=eu-central-1&via=none"} },
			text: `no database "ordres"`, mend: "did you mean orders?"},
		{name: "IAM authentication off", stage: "iam-authentication", code: 13, broken: func(_ *testing.T, c *clinic) {
			c.aws.SetDatabases(ordersDatabase(func(i *awsemu.DBInstance) { i.NoIAM = true }))
		}, text: "IAM authentication is off", mend: "aws rds modify-db-instance --db-instance-identifier orders --region eu-central-1 --enable-iam-database-authentication"},
		{name: "stopped", stage: "iam-authentication", code: 13, broken: func(_ *testing.T, c *clinic) {
			c.aws.SetDatabases(ordersDatabase(func(i *awsemu.DBInstance) { i.Status = "stopped" }))
		}, text: "is stopped", mend: "aws rds start-db-instance"},
		{name: "deleted database", stage: "resource-id", code: 14, broken: func(_ *testing.T, c *clinic) {
			all := policyDatabases()
			all.Instances = nil
			c.aws.SetDatabases(all)
		}, text: lab.Host, mend: "check the name", notes: "c9akciq32abc in the name stands for account 111122223333 in eu-central-1, as in that of "},
		{name: "tags may not be looked up", stage: "jump-host", code: 15, broken: func(_ *testing.T, c *clinic) {
			c.aws.FailNext("DescribeInstanceInformation", "AccessDeniedException", denied("ssm:DescribeInstanceInformation", "*"), -1)
		}, args: func(c *clinic) []string {
			return []string{lab.Host + "?user=app_user&via=tag:Role=jump&ca-file=" + c.database.CAFile()}
		}, text: "access denied", mend: "ssm:DescribeInstanceInformation"},
		{name: "jump host offline", stage: "jump-host", code: 15, broken: func(_ *testing.T, c *clinic) { c.aws.SetOnline(lab.Target, false) },
			text: "online", mend: "agent"},
		{name: "agent too old", stage: "jump-host", code: 15, broken: func(_ *testing.T, c *clinic) {
			c.aws.SetFleet(awsemu.Fleet{Nodes: []awsemu.Node{{ID: lab.Target, Agent: "3.1.1080.0"}}})
		}, text: "too old", mend: "AWS-UpdateSSMAgent"},
		{name: "StartSession denied", stage: "start-session", code: 16, broken: func(_ *testing.T, c *clinic) {
			c.aws.FailNext("StartSession", "AccessDeniedException", denied("ssm:StartSession", "arn:aws:ssm:eu-central-1::document/AWS-StartPortForwardingSessionToRemoteHost"), -1)
			c.aws.SetSimulation(func(_, action, resource string) awsemu.Decision {
				if action == "ssm:StartSession" && strings.Contains(resource, ":document/") {
					return awsemu.ImplicitDeny
				}
				return awsemu.Allowed
			})
		}, text: "access denied", mend: "ssm:StartSession", notes: "no policy allows ssm:StartSession on arn:aws:ssm:eu-central-1::document/"},
		{name: "document missing", stage: "start-session", code: 16, broken: func(_ *testing.T, c *clinic) {
			c.aws.FailNext("StartSession", "InvalidDocument", "Document with name X does not exist.", -1)
		}, text: "document", mend: "aws ssm describe-document"},
		{name: "data channel denied", stage: "websocket", code: 17, broken: func(_ *testing.T, c *clinic) { c.aws.RefuseUpgrades(403, -1) },
			text: "403", mend: "ssmmessages:OpenDataChannel"},
		{name: "security group", stage: "stream", code: 18, broken: func(t *testing.T, c *clinic) { c.aws.SetHost(lab.Endpoint, closedPort) },
			text: lab.Endpoint, mend: "security group"},
		{name: "own tunnel is not there", stage: "stream", code: 18, args: func(c *clinic) []string {
			return []string{lab.Host + "?user=app_user&dial=" + closedPort + "&ca-file=" + c.database.CAFile()}
		}, text: "refused", mend: "tunnel"},
		{name: "unknown authority", stage: "tls", code: 19, args: func(*clinic) []string {
			return []string{lab.Host + "?user=app_user&via=" + lab.Target}
		}, env: func(env []string) []string { return append(env, "HTTPS_PROXY=http://127.0.0.1:1") }, text: "not trusted", mend: "ca-file"},
		{name: "token refused", stage: "login", code: 20, broken: func(t *testing.T, c *clinic) {
			c.aws.SetSimulation(func(_, action, _ string) awsemu.Decision {
				if action == "rds-db:connect" {
					return awsemu.ImplicitDeny
				}
				return awsemu.Allowed
			})
			c.aws.SetMetric("IamDbAuthConnectionFailure", "DBInstanceIdentifier", "orders", 3)
			c.aws.SetMetric("IamDbAuthConnectionFailureInsufficientPermissions", "DBInstanceIdentifier", "orders", 3)
		}, args: func(c *clinic) []string { return []string{c.target("user=app_user", "region=eu-central-1")} },
			text: "LDAP authentication failed", mend: "rds-db:connect",
			notes: "no policy allows rds-db:connect on arn:aws:rds-db:eu-central-1:111122223333:dbuser:" + ordersID + "/app_user"},
		{name: "another account's database", stage: "login", code: 20, broken: func(_ *testing.T, c *clinic) {
			c.aws.SetDatabases(awsemu.Databases{})
		}, text: "LDAP authentication failed", mend: "rds-db:connect", notes: "these credentials are of account 111122223333"},
		{name: "user without rds_iam", stage: "login", code: 20, args: func(c *clinic) []string { return []string{c.target("user=plain_user")} },
			text: "plain_user", mend: `GRANT rds_iam TO "plain_user"`},
		{name: "nobody named", stage: "login", code: 20, args: func(c *clinic) []string { return []string{c.target()} },
			text: "not for an IAM token", mend: "GRANT rds_iam", notes: "no --user is given, so this login was as your account's name here"},
		{name: "unknown database", stage: "login", code: 20, args: func(c *clinic) []string { return []string{c.target("user=app_user", "dbname=nowhere")} },
			text: `database "nowhere" does not exist`, mend: "--dbname"},
		{name: "let in without rds_iam", stage: "rights", code: 21, args: func(c *clinic) []string { return []string{c.target("user=guest")} },
			text: "guest is not in rds_iam", mend: `GRANT rds_iam TO "guest";`, notes: "asked for no password"},
		{name: "queries too slow", stage: "speed", code: 22, args: func(c *clinic) []string { return []string{c.target("user=hasty")} },
			text: "statement timeout", mend: "--debug-logs"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			database := shared.database
			switch test.name {
			case "token refused", "another account's database":
				database = strangersDatabase(t)
			case "let in without rds_iam", "queries too slow":
				database = oddDatabase(t)
			}
			c := openClinic(t, database, nil)
			if test.broken != nil {
				test.broken(t, c)
			}
			args := []string{c.target("user=app_user")}
			if test.args != nil {
				args = test.args(c)
			}
			if test.env != nil {
				c.env = test.env
			}
			lines, code := c.stages(args...)
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
			for what, pair := range map[string][2]string{"text": {failed.Text, test.text}, "mend": {failed.Mend, test.mend}, "notes": {strings.Join(failed.Notes, "\n"), test.notes}} {
				if !strings.Contains(pair[0], pair[1]) {
					t.Errorf("%s %q lacks %q", what, pair[0], pair[1])
				}
			}
			t.Logf("%+v", failed)
		})
	}
}

// strangersDatabase knows other keys than those that doctor has.
func strangersDatabase(t *testing.T) *pgserver.Server {
	t.Helper()
	return startDatabase(t, lab.NewCredentials(), nil)
}

// oddDatabase lets guest in without a question, and hasty with a token but no
// time for queries.
func oddDatabase(t *testing.T) *pgserver.Server {
	t.Helper()
	db := startDatabase(t, shared.keys, func(c *pgserver.Config) { c.ExtraHBA = "hostssl all guest all trust\n" })
	// A second is enough for small queries, not for what repeat is here.
	const roles = `create role guest login; create role hasty login in role rds_iam;
		create schema slow; grant usage on schema slow to hasty;
		create function slow.repeat(text, integer) returns text language sql volatile
			as 'select case when pg_sleep(10) is null then $1 else $1 end';
		alter role hasty set search_path = slow, pg_catalog; alter role hasty set statement_timeout = '1s'`
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
