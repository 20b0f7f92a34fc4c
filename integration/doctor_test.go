package integration

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/integration/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/lab"
	"github.com/pgkeyless/pgkeyless/integration/pgserver"
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
	c := &clinic{t, aws, database}
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
	stdout, stderr, code = command(c.t, shared.keys.Env(c.aws.URL()), args...)
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

var _ = fmt.Sprint
var _ = regexp.MustCompile
