package discover

import (
	"strings"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

const (
	greenName = "orders-green-a1b2c3"
	greenHost = greenName + ".c9akciq32abc." + lab.Region + ".rds.amazonaws.com"
	noReady   = "ready-logins=0" // each client is a login
)

// exploreLimit is how long AWS may take to say what else tokens may have to be signed for
// (exploreTimeout in internal/targets/switchover.go). It is asked again 10 s later.
const exploreLimit = 2 * time.Second

// asks connects once and returns how many tokens the database has refused since. On a machine
// so busy that AWS's answer may have come after exploreLimit, it connects until AWS was asked
// again.
func asks(t *testing.T, w *rig.World, db *pgserver.Server) (refused int) {
	t.Helper()
	before := len(db.Logins())
	slow := false
	for deadline := time.Now().Add(rig.Limit); ; {
		began := time.Now()
		got, errs, err := rig.Psql(t, w.Conninfo("user="+pgserver.AppUser), "-c", "select 1")
		if err == nil && got == "1" {
			break
		}
		if slow = slow || time.Since(began) >= exploreLimit; !slow || time.Now().After(deadline) {
			t.Fatalf("psql printed %q, %v: %s\n%s", got, err, errs, w.Proxy.Output())
		}
	}
	for _, l := range db.Logins()[before:] {
		if !l.OK {
			refused++
		}
	}
	return refused
}

// Around the switchover of a blue/green deployment the database may want tokens for either
// name. The client that comes first has its login repeated with the other one, and the next
// have none refused.
func TestLoginsSurviveABlueGreenSwitchover(t *testing.T) {
	for name, target := range map[string]string{"by endpoint": lab.Host, "by identifier": "orders"} {
		t.Run(name, func(t *testing.T) { survivesBlueGreen(t, target) })
	}
}

func survivesBlueGreen(t *testing.T, target string) {
	orders := awsemu.DBInstance{Identifier: "orders", ResourceID: "db-ORDERS", Host: lab.Host}
	db := rig.StartDatabase(t, rig.Shared.Keys, nil)
	w := rig.Start(t, rig.Setup{
		Database: db,
		Args:     []string{target + "?region=" + lab.Region + "&via=" + lab.Target + "&ca-file=" + db.CAFile() + "&" + noReady},
		Databases: awsemu.Databases{
			Instances: []awsemu.DBInstance{orders},
			BlueGreen: []awsemu.BlueGreen{{Identifier: "bgd-1", Kind: "db", Pairs: [][2]string{{"orders", greenName}}}},
		},
		Fleet: awsemu.Fleet{Nodes: []awsemu.Node{{ID: lab.Target}}},
	})
	if n := asks(t, w, db); n != 0 {
		t.Errorf("%d tokens refused before the switchover", n)
	}
	db.SignFor(greenHost, lab.Region)
	stdout, stderr, code := rig.Run(t, rig.Shared.Keys.Env(w.AWS.URL()), "doctor", lab.TargetArg(db.CAFile(), "user="+pgserver.AppUser, "dbname="+pgserver.Database))
	if want := "the token is signed for " + greenHost + ":5432 in " + lab.Region; !strings.Contains(stdout, want) {
		t.Errorf("doctor ended with %d, %q; want %q in\n%s", code, stderr, want, stdout)
	}
	if n := asks(t, w, db); n == 0 {
		t.Error("the database did not refuse a token for the old name")
	}
	if n := asks(t, w, db); n != 0 {
		t.Errorf("%d tokens refused after the other name was found", n)
	}
	w.AWS.SetDatabases(awsemu.Databases{Instances: []awsemu.DBInstance{orders}}) // the deployment is deleted
	db.SignFor(lab.Host, lab.Region)
	if n := asks(t, w, db); n == 0 {
		t.Error("the database did not refuse a token for the green name")
	}
	if n := asks(t, w, db); n != 0 {
		t.Errorf("%d tokens refused after the first name was right again", n)
	}
}

// A target that names the green environment goes on after the switchover, in which that
// loses its suffix. RDS is not asked for that.
func TestGreenTargetSurvivesItsSwitchover(t *testing.T) {
	db := rig.StartDatabase(t, rig.Shared.Keys, func(c *pgserver.Config) { c.Host = greenHost })
	w := rig.Start(t, rig.Setup{
		Database: db,
		Args:     []string{greenHost + "?via=" + lab.Target + "&ca-file=" + db.CAFile() + "&" + noReady},
		Emulator: func(c *awsemu.Config) { c.Hosts[greenHost+":5432"] = db.Address() },
		Faults: func(e *awsemu.Emulator) {
			e.FailNext("DescribeBlueGreenDeployments", "AccessDenied", "not allowed", -1)
		},
	})
	asks(t, w, db)
	db.SignFor(lab.Host, lab.Region)
	if n := asks(t, w, db); n == 0 {
		t.Error("the database did not refuse a token for the old name")
	}
	if n := asks(t, w, db); n != 0 {
		t.Errorf("%d tokens refused after the other name was found", n)
	}
}

// The writer of a global database moves to another region, which its endpoint does not
// name: tokens must be signed for that region.
func TestLoginsSurviveAGlobalSwitchover(t *testing.T) {
	const host, there = "orders.global-c9akciq32abc.global.rds.amazonaws.com", "eu-west-1"
	db := rig.StartDatabase(t, rig.Shared.Keys, func(c *pgserver.Config) { c.Host = host })
	writer := func(region string) awsemu.Databases {
		arn := "arn:aws:rds:" + region + ":" + lab.Account + ":cluster:orders-" + region
		return awsemu.Databases{Globals: []awsemu.GlobalCluster{{Identifier: "orders", Host: host, Writer: arn}}}
	}
	w := rig.Start(t, rig.Setup{
		Database:  db,
		Args:      []string{host + "?region=" + lab.Region + "&via=" + lab.Target + "&ca-file=" + db.CAFile() + "&" + noReady},
		Emulator:  func(c *awsemu.Config) { c.Hosts[host+":5432"] = db.Address() },
		Databases: writer(lab.Region),
	})
	if n := asks(t, w, db); n != 0 {
		t.Errorf("%d tokens refused before the switchover", n)
	}
	w.AWS.SetDatabases(writer(there))
	db.SignFor(host, there)
	if n := asks(t, w, db); n == 0 {
		t.Error("the database did not refuse a token for the old region")
	}
	if n := asks(t, w, db); n != 0 {
		t.Errorf("%d tokens refused after the region was found", n)
	}
	if !strings.Contains(w.Proxy.Output(), "signed_for=\""+host+":5432 in "+there+"\"") {
		t.Errorf("the log does not say what the token is signed for:\n%s", w.Proxy.Output())
	}
}
