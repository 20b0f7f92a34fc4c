package causes

import (
	"slices"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/dsql"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/internal/causes"
)

const pamRefusal = `MPAM authentication failed for user "app_user"`

// TestEveryCauseOfARefusedLogin has the rows that more than the database's words
// lead to; TestEveryRefusalIsExplained has the others.
func TestEveryCauseOfARefusedLogin(t *testing.T) {
	f := rig.StartFakeDatabase(t, lab.Host, nil)
	f.Say("SFATAL", "C28000", pamRefusal)
	atFake := func(c *awsemu.Config) { c.Hosts[lab.Endpoint] = f.Address() }
	const alias = "orders.example.org"
	own := rig.StartFakeDatabase(t, alias, nil)
	own.Say("SFATAL", "C28000", pamRefusal)

	closed := rig.StartFakeDatabase(t, lab.Host, nil)
	closed.Say("SFATAL", "C42501", `Mpermission denied for database "app"`)

	ignoring := rig.StartDSQL(t, nil)
	ignoring.SetParameters(dsql.Ignore)

	rows := slices.DeleteFunc(causes.Logins(), func(c causes.Cause) bool { return slices.Contains(causes.Refusals(), c) })
	showCauses(t, rows, map[string]way{
		causes.ClockWrong.Name: {
			setup: rig.Setup{Emulator: atFake},
			arm: func(_ *testing.T, w *rig.World) {
				w.Refused("") // now there is an SSM session
				w.AWS.SetClock(7 * time.Minute)
			},
			asks:  true,
			state: "28000", facts: []string{"behind AWS's", lab.ARN},
		},
		causes.IAMOff.Name: {
			setup: rig.Setup{Emulator: atFake, Databases: awsemu.Databases{Instances: []awsemu.DBInstance{
				{Identifier: "orders", ResourceID: "db-REAL", Host: lab.Host, NoIAM: true}}}},
			asks:  true,
			state: "28000", facts: []string{"--db-instance-identifier orders", "--enable-iam-database-authentication"},
		},
		causes.RegionGuessed.Name: {
			setup: rig.Setup{
				Args: []string{alias + "?dial=" + own.Address() + "&ca-file=" + rig.Shared.Database.CAFile()},
				Env:  func(env []string) []string { return append(env, "AWS_REGION="+lab.Region) },
			},
			asks:  true,
			state: "28000", facts: []string{"signed for " + alias + ":5432 in " + lab.Region, "--region"},
		},
		causes.OtherPassword.Name: {
			client: "user=plain_user",
			asks:   true,
			facts:  []string{lab.Host, "asks for a SCRAM password", `GRANT rds_iam TO "plain_user"`},
		},
		causes.TargetNotServed.Name: {
			setup:  rig.Setup{Flags: []string{"--shared-port"}},
			client: "user=plain_user@ordesr",
			asks:   true,
			state:  "28000", facts: []string{`no target "ordesr"`, "the targets are " + lab.Host, "asks for a SCRAM password"},
		},
		causes.NoDatabase.Name: {
			client: "dbname=nowhere",
			state:  "3D000", facts: []string{`database "nowhere" does not exist`, "the login succeeded", lab.Endpoint},
		},
		causes.NoConnect.Name: {
			setup: rig.Setup{Emulator: func(c *awsemu.Config) { c.Hosts[lab.Endpoint] = closed.Address() }},
			state: "42501", facts: []string{`GRANT CONNECT on this database to "app_user"`},
		},
		causes.GuardUnconfirmed.Name: {
			setup:  rig.Setup{Args: []string{lab.DSQLHost + "?read-only&dial=" + ignoring.Address() + "&ca-file=" + ignoring.CAFile()}},
			client: "user=admin dbname=postgres",
			facts:  []string{lab.DSQLHost},
		},
		causes.MasterUser.Name: {
			client: "user=postgres",
			asks:   true,
			state:  "28000", facts: []string{lab.Host, `for user "postgres"`},
		},
	})
}
