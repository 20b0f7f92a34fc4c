package rig

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// OrdersID is the resource id of the emulated account's one database.
const OrdersID = "db-ABCDEFGHIJKLMNOPQRSTUVWXYZ"

// OrdersDatabase is that database as RDS describes it, with what change changes.
func OrdersDatabase(change func(*awsemu.DBInstance)) awsemu.Databases {
	i := awsemu.DBInstance{Identifier: "orders", ResourceID: OrdersID, Host: lab.Host}
	if change != nil {
		change(&i)
	}
	return awsemu.Databases{Instances: []awsemu.DBInstance{i}}
}

// Clinic is an emulated AWS for commands that look and end.
type Clinic struct {
	T        *testing.T
	AWS      *awsemu.Emulator
	Database *pgserver.Server
	Env      func([]string) []string // changes the command's environment; may be nil
}

// OpenClinic starts an account with database, nil for the shared one, and change,
// nil for none, made to its emulator.
func OpenClinic(t *testing.T, database *pgserver.Server, change func(*awsemu.Config)) *Clinic {
	t.Helper()
	if database == nil {
		database = Shared.Database
	}
	aws, err := lab.StartAWS(Shared.Keys, database.Address(), func(c *awsemu.Config) {
		c.Pace, c.AckWithin = -1, 15*time.Second
		if change != nil {
			change(c)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	aws.SetDatabases(OrdersDatabase(nil))
	aws.SetFleet(awsemu.Fleet{Nodes: []awsemu.Node{{ID: lab.Target}}})
	c := &Clinic{T: t, AWS: aws, Database: database}
	t.Cleanup(func() {
		(&World{T: t, AWS: aws}).AwaitSessionsEnded()
		if broken := aws.Violations(); len(broken) > 0 {
			t.Errorf("protocol violations: %q", broken)
		}
		aws.Close()
	})
	return c
}

// Run runs one command, whose output must hold nothing secret.
func (c *Clinic) Run(args ...string) (stdout, stderr string, code int) {
	c.T.Helper()
	env := Shared.Keys.Env(c.AWS.URL())
	if c.Env != nil {
		env = c.Env(env)
	}
	stdout, stderr, code = Run(c.T, env, args...)
	CheckOutput(c.T, stdout+stderr)
	return stdout, stderr, code
}

// Target is the usual one with further options.
func (c *Clinic) Target(options ...string) string {
	return lab.TargetArg(c.Database.CAFile(), options...)
}

// StageLine is what doctor --json prints of a stage, or at the end.
type StageLine struct {
	Stage, Status, Text, Fix, SQLState string
	Seconds                            float64
	Notes                              []string
	Result                             string
	FailedStage                        string `json:"failed_stage"`
	ExitCode                           int    `json:"exit_code"`
}

// Stages runs doctor --json.
func (c *Clinic) Stages(args ...string) (lines []StageLine, code int) {
	c.T.Helper()
	stdout, stderr, code := c.Run(append([]string{"doctor", "--json"}, args...)...)
	for dec := json.NewDecoder(strings.NewReader(stdout)); dec.More(); {
		var l StageLine
		if err := dec.Decode(&l); err != nil {
			c.T.Fatalf("%v in\n%s", err, stdout)
		}
		lines = append(lines, l)
	}
	if len(lines) == 0 || stderr != "" {
		c.T.Fatalf("doctor ended with %d, stdout %q, stderr %q", code, stdout, stderr)
	}
	if last := lines[len(lines)-1]; last.ExitCode != code || (last.Result == "ok") != (code == 0) {
		c.T.Errorf("exit code %d, last line %+v", code, last)
	}
	return lines, code
}

// AllStages are those of a walk that finds all good, in order.
var AllStages = []string{"credentials", "clock", "endpoint", "iam-authentication", "resource-id", "jump-host", "permissions",
	"start-session", "websocket", "stream", "tls", "login-metrics", "login", "rights", "speed"}

// masks are what differs from run to run: times, ports, ids, versions, dates.
var masks = []*regexp.Regexp{
	regexp.MustCompile(` +\d+\.\d{3} s `),
	regexp.MustCompile(`"seconds":[0-9.e-]+`),
	regexp.MustCompile(`round trip \S+ `),
	regexp.MustCompile(`about [0-9.]+ MB/s`),
	regexp.MustCompile(`\bada-[0-9a-z]+`),
	regexp.MustCompile(`session/[0-9A-Z]+-`),
	regexp.MustCompile(`PostgreSQL \d[^"\n]*`),
	regexp.MustCompile(`TLS 1\.\d`),
	regexp.MustCompile(`\b20\d\d-\d\d-\d\d\b`),
	regexp.MustCompile(`127\.0\.0\.1:\d+`),
	regexp.MustCompile(`request id [0-9a-f-]+`),
}

// Masked is s with what differs from run to run left out.
func Masked(s string) string {
	for _, m := range masks {
		s = m.ReplaceAllString(s, "…")
	}
	return s
}
