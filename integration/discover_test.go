package integration

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// What the emulated account holds beside lab.Host, which is the instance orders.
const (
	domain        = "c9akciq32abc.eu-central-1.rds.amazonaws.com"
	ledgerWriter  = "ledger.cluster-" + domain
	ledgerReader  = "ledger.cluster-ro-" + domain
	ledgerReports = "reports.cluster-custom-" + domain
	ledgerMember  = "ledger-1." + domain
	pooledHost    = "pooled.proxy-" + domain
	pooledReader  = "pooled-ro.endpoint.proxy-" + domain
	worldHost     = "world.global-c9akciq32abc.global.rds.amazonaws.com"
	accountARN    = "arn:aws:rds:" + lab.Region + ":" + lab.Account + ":"
)

// account is an account with a database of each kind.
func account() awsemu.Databases {
	return awsemu.Databases{
		PageSize: 2,
		Instances: []awsemu.DBInstance{
			{Identifier: "orders", ResourceID: "db-ORDERS", Host: lab.Host},
			{Identifier: "ledger-1", ResourceID: "db-LEDGER1", Host: ledgerMember, Engine: "aurora-postgresql", Cluster: "ledger"},
			{Identifier: "shop", ResourceID: "db-SHOP", Host: "shop." + domain, Engine: "mysql", Port: 3306},
			{Identifier: "noiam", ResourceID: "db-NOIAM", Host: "noiam." + domain, NoIAM: true},
			{Identifier: "asleep", ResourceID: "db-ASLEEP", Host: "asleep." + domain, Status: "stopped"},
		},
		Clusters: []awsemu.DBCluster{{
			Identifier: "ledger", ResourceID: "cluster-LEDGER", Host: ledgerWriter, ReaderHost: ledgerReader,
			Members: []string{"ledger-1"}, Custom: map[string]string{"reports": ledgerReports},
		}},
		Proxies: []awsemu.DBProxy{{Name: "pooled", ResourceID: "prx-0123", Host: pooledHost, ReadOnly: map[string]string{"pooled-ro": pooledReader}}},
		Globals: []awsemu.GlobalCluster{{Identifier: "world", Host: worldHost, Writer: accountARN + "cluster:ledger"}},
	}
}

// startAccount is a database that has all those names.
func startAccount(t *testing.T) *pgserver.Server {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	db, err := lab.StartDatabase(ctx, shared.keys, func(c *pgserver.Config) {
		c.Also = []string{ledgerWriter, ledgerReader, ledgerReports, ledgerMember, pooledHost, pooledReader, worldHost, "noiam." + domain, "asleep." + domain}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// everywhere lets the jump host reach db by all its names.
func everywhere(db *pgserver.Server) func(*awsemu.Config) {
	return func(c *awsemu.Config) {
		for _, host := range []string{ledgerWriter, ledgerReader, ledgerReports, ledgerMember, pooledHost, pooledReader, worldHost, "noiam." + domain, "asleep." + domain} {
			c.Hosts[host+":5432"] = db.Address()
		}
	}
}

// inRegion sets the region that an identifier does not name.
func inRegion(env []string) []string { return append(env, "AWS_REGION="+lab.Region) }

// startNamed is a world with account's databases, for a target as it is named
// with the usual options.
func startNamed(t *testing.T, db *pgserver.Server, target string, options ...string) *world {
	t.Helper()
	separator := "?"
	if strings.Contains(target, "?") {
		separator = "&"
	}
	arg := target + separator + "via=" + lab.Target + "&ca-file=" + db.CAFile()
	for _, o := range options {
		arg += "&" + o
	}
	return start(t, setup{database: db, args: []string{arg}, databases: account(), emulator: everywhere(db), env: inRegion})
}

// TestNamesOfEachKindLogIn goes from a name to a login by psql, for which the
// token must be signed, and the certificate verified, for the endpoint that the
// name stands for.
func TestNamesOfEachKindLogIn(t *testing.T) {
	db := startAccount(t)
	for _, test := range []struct{ target, host string }{
		{"orders", lab.Host},
		{accountARN + "db:orders", lab.Host},
		{"ledger", ledgerWriter},
		{"ledger?endpoint=reader", ledgerReader},
		{"ledger?endpoint=ledger-1", ledgerMember},
		{"ledger?endpoint=reports", ledgerReports},
		{"ledger-1", ledgerMember},
		{"reports", ledgerReports},
		{accountARN + "cluster:ledger", ledgerWriter},
		{accountARN + "cluster-endpoint:reports", ledgerReports},
		{"world", worldHost},
		{"pooled", pooledHost},
		{"pooled?endpoint=pooled-ro", pooledReader},
		{accountARN + "db-proxy:prx-0123", pooledHost},
		{accountARN + "db-proxy-endpoint:prx-endpoint-pooled-ro", pooledReader},
	} {
		t.Run(test.target, func(t *testing.T) {
			w := startNamed(t, db, test.target)
			if got := w.query("", whoAmI); got != itsMe {
				t.Errorf("got %q, want %q", got, itsMe)
			}
			logins := db.Logins()
			if last := logins[len(logins)-1]; last.Endpoint != test.host+":5432" {
				t.Errorf("token signed for %s, want %s", last.Endpoint, test.host)
			}
			if !strings.Contains(w.proxy.Output(), ", which is "+test.host+"\n") {
				t.Errorf("the ready lines do not tell %s:\n%s", test.host, w.proxy.Output())
			}
		})
	}
}

func TestEndpointNeedsNoDescribe(t *testing.T) {
	w := start(t, setup{databases: account()})
	w.query("", whoAmI)
	for call, n := range w.aws.Calls() {
		if strings.HasPrefix(call, "Describe") || strings.HasPrefix(call, "List") {
			t.Errorf("%s was called %d times for a target that is an endpoint", call, n)
		}
	}
}

// TestLookUpIsKept counts calls: one look-up serves many logins.
func TestLookUpIsKept(t *testing.T) {
	w := startNamed(t, startAccount(t), "orders")
	for range 3 {
		w.query("", whoAmI)
	}
	for call, n := range w.aws.Calls() {
		if strings.HasPrefix(call, "DescribeDB") && n != 1 {
			t.Errorf("%s was called %d times", call, n)
		}
	}
}

// TestWrongNamesEndTheStart: what stays wrong is told on the terminal. What
// clients hear of the same is in TestEveryCauseOfALookUp.
func TestWrongNamesEndTheStart(t *testing.T) {
	aws, err := lab.StartAWS(shared.keys, "127.0.0.1:1", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer aws.Close()
	aws.SetDatabases(account())
	for _, test := range []struct{ name, target, message, hint string }{
		{"not there", "ordres", `there is no database "ordres" in eu-central-1`, "did you mean orders?"},
		{"another region", accountARN + "db:orders?region=eu-west-1", "eu-west-1", "leave the region out"},
	} {
		t.Run(test.name, func(t *testing.T) {
			separator := "?"
			if strings.Contains(test.target, "?") {
				separator = "&"
			}
			stdout, stderr, code := command(t, inRegion(shared.keys.Env(aws.URL())), test.target+separator+"via="+lab.Target+"&port=0&unix-socket=none")
			lines := strings.Split(strings.TrimSpace(stderr), "\n")
			if code != 1 || stdout != "" || len(lines) != 2 || !strings.Contains(lines[0], test.message) || !strings.Contains(lines[1], test.hint) {
				t.Errorf("exit code %d, stdout %q, stderr:\n%s\nwant 1, an error with %q and a hint with %q", code, stdout, stderr, test.message, test.hint)
			}
		})
	}
	_, stderr, code := command(t, shared.keys.Env(aws.URL()), "orders?via="+lab.Target)
	if code != 1 || !strings.Contains(stderr, "no AWS region") {
		t.Errorf("without a region: %d\n%s", code, stderr)
	}
}

// TestTroubleIsToldAndMended starts with a database that cannot be used: the
// start says so, clients are told, and once it is mended they get in.
func TestTroubleIsToldAndMended(t *testing.T) {
	db := startAccount(t)
	for _, test := range []struct{ target, sqlstate, message, hint string }{
		{"noiam", "28000", "IAM authentication is off", "aws rds modify-db-instance --db-instance-identifier noiam --region eu-central-1 --enable-iam-database-authentication --apply-immediately"},
		{"asleep", "57P03", "is stopped", "aws rds start-db-instance --db-instance-identifier asleep"},
	} {
		t.Run(test.target, func(t *testing.T) {
			w := startNamed(t, db, test.target)
			if !strings.Contains(w.proxy.Output(), test.message) || !strings.Contains(w.proxy.Output(), test.hint) {
				t.Errorf("the start says nothing of it:\n%s", w.proxy.Output())
			}
			refused := w.refused("")
			if refused.Code != test.sqlstate || !strings.Contains(refused.Message, test.message) || !strings.Contains(refused.Hint, test.hint) {
				t.Errorf("the client is told %s %q, hint %q", refused.Code, refused.Message, refused.Hint)
			}
			mended := account()
			for i := range mended.Instances {
				mended.Instances[i].NoIAM, mended.Instances[i].Status = false, ""
			}
			w.aws.SetDatabases(mended)
			if got := w.query("", whoAmI); got != itsMe {
				t.Errorf("got %q, want %q", got, itsMe)
			}
		})
	}
}

// TestStartsWithoutAWS is ready with AWS refusing every call, and logs in as
// soon as it does not any more.
func TestStartsWithoutAWS(t *testing.T) {
	db := startAccount(t)
	for _, test := range []struct{ name, code, message, sqlstate, told string }{
		{"expired credentials", "ExpiredToken", "The security token included in the request is expired", "28000", "expired"},
		{"access denied", "AccessDenied", "User: " + lab.ARN + " is not authorized to perform: rds:DescribeDBInstances on resource: * because no identity-based policy allows it", "08001", "rds:DescribeDBInstances"},
	} {
		t.Run(test.name, func(t *testing.T) {
			calls := []string{"DescribeDBInstances", "DescribeDBClusters", "DescribeDBProxies"}
			began := time.Now()
			w := start(t, setup{
				database: db, databases: account(), env: inRegion,
				args: []string{fmt.Sprintf("orders?via=%s&ca-file=%s", lab.Target, db.CAFile())},
				faults: func(e *awsemu.Emulator) {
					for _, call := range calls {
						e.FailNext(call, test.code, test.message, -1)
					}
				},
			})
			if took := time.Since(began); took > 15*time.Second {
				t.Errorf("ready after %v", took)
			}
			if out := w.proxy.Output(); !strings.Contains(out, "database not found yet") || !strings.Contains(out, ", not looked up yet") {
				t.Errorf("the start does not say it:\n%s", out)
			}
			if refused := w.refused(""); refused.Code != test.sqlstate || !strings.Contains(refused.Message, test.told) || refused.Hint == "" {
				t.Errorf("the client is told %s %q, hint %q", refused.Code, refused.Message, refused.Hint)
			}
			for _, call := range calls {
				w.aws.FailNext(call, "", "", 0)
			}
			if got := w.query("", whoAmI); got != itsMe {
				t.Errorf("got %q, want %q", got, itsMe)
			}
		})
	}
}

// TestBurstSharesOneLookUp lets clients come all at once before the database is
// known.
func TestBurstSharesOneLookUp(t *testing.T) {
	db := startAccount(t)
	w := start(t, setup{
		database: db, databases: account(), env: inRegion,
		args:   []string{fmt.Sprintf("orders?via=%s&ca-file=%s", lab.Target, db.CAFile())},
		faults: func(e *awsemu.Emulator) { e.FailNext("DescribeDBInstances", "AccessDenied", "no", 1) },
	})
	before := w.aws.Calls()["DescribeDBInstances"]
	w.aws.SlowNext("DescribeDBInstances", 300*time.Millisecond, -1)
	errs := make(chan error, 5)
	for range cap(errs) {
		go func() {
			_, _, err := psql(t, w.conninfo(""), "-c", "select 1")
			errs <- err
		}()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if n := w.aws.Calls()["DescribeDBInstances"] - before; n != 1 {
		t.Errorf("%d look-ups for a burst of clients", n)
	}
}

// TestNameIsLookedUpAgain moves the database while pgkeyless runs: the answer
// that leads nowhere any more is not kept.
func TestNameIsLookedUpAgain(t *testing.T) {
	t.Parallel()
	db := startAccount(t)
	w := startNamed(t, db, "orders")
	w.query("", whoAmI)
	moved := account()
	moved.Instances[0].Host = ledgerMember
	w.aws.SetDatabases(moved)
	w.aws.SetHost(lab.Endpoint, closedPort)
	for _, session := range w.aws.Sessions() { // which knows the old address
		w.aws.TerminateSession(session.ID, "")
	}
	deadline := time.Now().Add(time.Minute)
	for {
		_, _, err := psql(t, w.conninfo(""), "-c", "select 1")
		logins := db.Logins()
		if err == nil && logins[len(logins)-1].Endpoint == ledgerMember+":5432" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the new endpoint is not found: %v\n%s", err, w.proxy.Output())
		}
		time.Sleep(200 * time.Millisecond)
	}
}
