package causes

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// TestEveryCauseOfALookUp has the rows that lead to clients through AWS; those of
// DNS are in TestEveryCauseOfAnAlias, and that of doctor alone below.
func TestEveryCauseOfALookUp(t *testing.T) {
	rows := slices.DeleteFunc(causes.Lookups(), func(c causes.Cause) bool {
		return slices.Contains([]string{causes.NoSuchHost.Name, causes.NotAnAlias.Name, causes.AliasUnanswered.Name}, c.Name)
	})
	databases := rig.Account()
	databases.Instances = append(databases.Instances, awsemu.DBInstance{Identifier: "pooled", Host: "pooled." + rig.Domain})
	databases.Clusters = append(databases.Clusters, awsemu.DBCluster{Identifier: "old", Host: "old.cluster-" + rig.Domain, EngineMode: "serverless"})
	const denied = "User: " + lab.ARN + " is not authorized to perform: rds:DescribeDBInstances on resource: * because no identity-based policy allows it"
	fail := func(code, message string) way {
		return foundLater("orders", databases, func(e *awsemu.Emulator) { e.FailNext("DescribeDBInstances", code, message, -1) })
	}
	is := func(target string, facts ...string) way {
		w := foundLater(target, databases, nil)
		w.facts = facts
		return w
	}
	via := func(via string) rig.Setup {
		fleet, config := rig.FleetOf()
		return rig.Setup{Args: []string{lab.Host + "?via=" + via + "&ca-file=" + rig.Shared.Database.CAFile()}, Fleet: fleet, Emulator: config}
	}
	told := func(w way, facts ...string) way {
		w.facts = facts
		return w
	}
	showCauses(t, rows, map[string]way{
		causes.NoSuchDatabase.Name: told(foundLater("ordres", databases, func(e *awsemu.Emulator) {
			e.FailNext("DescribeGlobalClusters", "AccessDenied", strings.ReplaceAll(denied, "DBInstances", "GlobalClusters"), -1)
		}), `no database "ordres" in eu-central-1`, "did you mean orders?", "not authorized to perform: rds:DescribeGlobalClusters"),
		causes.NoDatabaseAtAll.Name: told(foundLater("orders", awsemu.Databases{}, nil), `no database "orders" in eu-central-1`),
		causes.NotInAccount.Name:    is("arn:aws:rds:eu-central-1:999999999999:db:orders", "arn:aws:rds:eu-central-1:999999999999:db:orders", "account 999999999999"),
		causes.AmbiguousDatabase.Name: is("pooled", `"pooled" is the name of 2 databases`,
			rig.AccountARN+"db:pooled or "+rig.AccountARN+"db-proxy:prx-0123"),
		causes.OtherEngine.Name:    is("shop", `instance "shop" runs MySQL`, "account "+lab.Account),
		causes.ServerlessOne.Name:  is("old", `cluster "old"`, "cluster old in eu-central-1, account "+lab.Account, "--db-cluster-identifier old"),
		causes.NoSuchEndpoint.Name: is("ledger?endpoint=nobody", `cluster "ledger" has no endpoint "nobody"`, "writer, reader, ledger-1, reports"),
		causes.OneEndpoint.Name:    is("ledger-1?endpoint=reader", `instance "ledger-1"`, `not "reader"`, "or name the cluster ledger,"),
		causes.DatabaseDown.Name:   is("asleep", `instance "asleep" is stopped`, "`aws rds start-db-instance --db-instance-identifier asleep --region eu-central-1`"),
		causes.IAMSwitchedOff.Name: is("noiam", `for the instance "noiam"`, "`aws rds modify-db-instance --db-instance-identifier noiam --region eu-central-1 --enable-iam-database-authentication --apply-immediately`"),
		causes.LookupDenied.Name: told(fail("AccessDenied", denied), "looking for database orders: access denied", "identity "+lab.ARN,
			`"Action": "rds:DescribeDBInstances"`, "HOST[:PORT]"),
		causes.LookupThrottled.Name:  told(fail("Throttling", "Rate exceeded"), "looking for database orders", "(Throttling)", "rds:DescribeDBInstances in eu-central-1"),
		causes.LookupUnanswered.Name: told(waitingWay("10s", foundLater("orders", databases, func(e *awsemu.Emulator) { e.SlowNext("DescribeDBInstances", time.Minute, -1) })), "looking for database orders", "rds:DescribeDBInstances in eu-central-1"),
		causes.LookupUnreachable.Name: {
			setup: rig.Setup{Args: []string{"orders?via=" + lab.Target + "&ca-file=" + rig.Shared.Database.CAFile()},
				Env: func(env []string) []string {
					return append(rig.InRegion(env), "AWS_ENDPOINT_URL_RDS=http://"+rig.ClosedPort)
				}},
			facts: []string{"looking for database orders: dial tcp 127.0.0.1:", "connection refused", "rds:DescribeDB"},
		},
		causes.LookupError.Name: told(fail("OptInRequired", "You must be subscribed to use this service"), "looking for database orders",
			"OptInRequired: You must be subscribed", "error of rds:DescribeDBInstances"),
		causes.NoJumpHost.Name: {setup: via("tag:Role=nobody"), facts: []string{"no jump host tag:Role=nobody in eu-central-1", "managed nodes"}},
		causes.NoneOnline.Name: {setup: via("tag:Role=jump"), facts: []string{"no jump host of tag:Role=jump is online", rig.OtherHost + " ConnectionLost"}},
	})
}

// foundLater is a way in which pgkeyless could not ask RDS when it started: it
// would have ended with most of what the first client now hears. breakIt, which
// may be nil, is for the second time of asking.
func foundLater(target string, databases awsemu.Databases, breakIt func(*awsemu.Emulator)) way {
	separator := "?"
	if strings.Contains(target, "?") {
		separator = "&"
	}
	calls := []string{"DescribeDBInstances", "DescribeDBClusters", "DescribeDBProxies"}
	return way{
		setup: rig.Setup{
			Args:      []string{target + separator + "via=" + lab.Target + "&ca-file=" + rig.Shared.Database.CAFile()},
			Env:       rig.InRegion,
			Databases: databases,
			Faults: func(e *awsemu.Emulator) {
				for _, call := range calls {
					e.FailNext(call, "AccessDenied", "not yet", -1)
				}
			},
		},
		arm: func(_ *testing.T, w *rig.World) {
			for _, call := range calls {
				w.AWS.FailNext(call, "", "", 0)
			}
			if breakIt != nil {
				breakIt(w.AWS)
			}
		},
	}
}

func waitingWay(most string, w way) way {
	w.setup = waitingOnly(most, w.setup)
	return w
}

// An endpoint that is given in full is taken at its word, and RDS is asked about
// it by the commands that look. One that is not listed ends doctor's walk where
// others show that the account is the right one.
func TestDoctorTellsTheCauseOfAnUnknownEndpoint(t *testing.T) {
	c := rig.OpenClinic(t, nil, nil)
	c.AWS.SetDatabases(awsemu.Databases{Instances: []awsemu.DBInstance{{Identifier: "ledger", Host: rig.LedgerMember}}})
	lines, _ := c.Stages(c.Target("user=app_user"))
	failed := lines[len(lines)-2]
	checkTold(t, causes.NoSuchHost, &pgconn.PgError{Code: failed.SQLState, Message: failed.Text, Detail: strings.Join(failed.Notes, "; "), Hint: failed.Fix}, "")
	if failed.Status != "failed" || !strings.Contains(failed.Text, lab.Host) {
		t.Errorf("%+v, want a failure that names %s", failed, lab.Host)
	}
}
