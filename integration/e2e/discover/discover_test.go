package discover

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// startAccount is a database that has all those names.
func startAccount(t *testing.T) *pgserver.Server {
	t.Helper()
	return rig.StartDatabase(t, rig.Shared.Keys, func(c *pgserver.Config) {
		c.Also = []string{rig.LedgerWriter, rig.LedgerReader, rig.LedgerReports, rig.LedgerMember, rig.PooledHost, rig.PooledReader, rig.WorldHost, "noiam." + rig.Domain, "asleep." + rig.Domain}
	})
}

// everywhere lets the jump host reach db by all its names.
func everywhere(db *pgserver.Server) func(*awsemu.Config) {
	return func(c *awsemu.Config) {
		for _, host := range []string{rig.LedgerWriter, rig.LedgerReader, rig.LedgerReports, rig.LedgerMember, rig.PooledHost, rig.PooledReader, rig.WorldHost, "noiam." + rig.Domain, "asleep." + rig.Domain} {
			c.Hosts[host+":5432"] = db.Address()
		}
	}
}

// startNamed is a world with rig.Account's databases, for a target as it is named
// with the usual options.
func startNamed(t *testing.T, db *pgserver.Server, target string, options ...string) *rig.World {
	t.Helper()
	separator := "?"
	if strings.Contains(target, "?") {
		separator = "&"
	}
	arg := target + separator + "via=" + lab.Target + "&ca-file=" + db.CAFile()
	for _, o := range options {
		arg += "&" + o
	}
	return rig.Start(t, rig.Setup{Database: db, Args: []string{arg}, Databases: rig.Account(), Emulator: everywhere(db), Env: rig.InRegion})
}

// TestNamesOfEachKindLogIn goes from a name to a login by psql, for which the
// token must be signed, and the certificate verified, for the endpoint that the
// name stands for.
func TestNamesOfEachKindLogIn(t *testing.T) {
	db := startAccount(t)
	for _, test := range []struct{ target, host string }{
		{"orders", lab.Host},
		{rig.AccountARN + "db:orders", lab.Host},
		{"ledger", rig.LedgerWriter},
		{"ledger?endpoint=reader", rig.LedgerReader},
		{"ledger?endpoint=ledger-1", rig.LedgerMember},
		{"ledger?endpoint=reports", rig.LedgerReports},
		{"ledger-1", rig.LedgerMember},
		{"reports", rig.LedgerReports},
		{rig.AccountARN + "cluster:ledger", rig.LedgerWriter},
		{rig.AccountARN + "cluster-endpoint:reports", rig.LedgerReports},
		{"world", rig.WorldHost},
		{"pooled", rig.PooledHost},
		{"pooled?endpoint=pooled-ro", rig.PooledReader},
		{rig.AccountARN + "db-proxy:prx-0123", rig.PooledHost},
		{rig.AccountARN + "db-proxy-endpoint:prx-endpoint-pooled-ro", rig.PooledReader},
	} {
		t.Run(test.target, func(t *testing.T) {
			w := startNamed(t, db, test.target)
			if got := w.Query("", rig.WhoAmI); got != rig.ItsMe {
				t.Errorf("got %q, want %q", got, rig.ItsMe)
			}
			logins := db.Logins()
			if last := logins[len(logins)-1]; last.Endpoint != test.host+":5432" {
				t.Errorf("token signed for %s, want %s", last.Endpoint, test.host)
			}
			if !strings.Contains(w.Proxy.Output(), ", which is "+test.host+"\n") {
				t.Errorf("the ready lines do not tell %s:\n%s", test.host, w.Proxy.Output())
			}
		})
	}
}

func TestEndpointNeedsNoDescribe(t *testing.T) {
	w := rig.Start(t, rig.Setup{Databases: rig.Account()})
	w.Query("", rig.WhoAmI)
	for call, n := range w.AWS.Calls() {
		if strings.HasPrefix(call, "Describe") || strings.HasPrefix(call, "List") {
			t.Errorf("%s was called %d times for a target that is an endpoint", call, n)
		}
	}
}

// TestLookUpIsKept counts calls: one look-up serves many logins.
func TestLookUpIsKept(t *testing.T) {
	w := startNamed(t, startAccount(t), "orders")
	for range 3 {
		w.Query("", rig.WhoAmI)
	}
	for call, n := range w.AWS.Calls() {
		if strings.HasPrefix(call, "DescribeDB") && n != 1 {
			t.Errorf("%s was called %d times", call, n)
		}
	}
}

// TestWrongNamesEndTheStart: what stays wrong is told on the terminal. What
// clients hear of the same is in TestEveryCauseOfALookUp.
func TestWrongNamesEndTheStart(t *testing.T) {
	aws, err := lab.StartAWS(rig.Shared.Keys, "127.0.0.1:1", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer aws.Close()
	aws.SetDatabases(rig.Account())
	for _, test := range []struct{ name, target, message, detail, hint string }{
		{"not there", "ordres", `there is no database "ordres" in eu-central-1`, "pgkeyless: detail: looked for instances, clusters", "did you mean orders?"},
		{"another region", rig.AccountARN + "db:orders?region=eu-west-1", "eu-west-1", "", "leave the region out"},
	} {
		t.Run(test.name, func(t *testing.T) {
			separator := "?"
			if strings.Contains(test.target, "?") {
				separator = "&"
			}
			stdout, stderr, code := rig.Run(t, rig.InRegion(rig.Shared.Keys.Env(aws.URL())), test.target+separator+"via="+lab.Target+"&port=0&unix-socket=none")
			lines := strings.Split(strings.TrimSpace(stderr), "\n")
			want := []string{test.message, test.hint}
			if test.detail != "" {
				want = []string{test.message, test.detail, test.hint}
			}
			if code != 1 || stdout != "" || !slices.EqualFunc(lines, want, strings.Contains) {
				t.Errorf("exit code %d, stdout %q, stderr:\n%s\nwant 1 and a line each with %q", code, stdout, stderr, want)
			}
		})
	}
	_, stderr, code := rig.Run(t, rig.Shared.Keys.Env(aws.URL()), "orders?via="+lab.Target)
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
			if !strings.Contains(w.Proxy.Output(), test.message) || !strings.Contains(w.Proxy.Output(), test.hint) {
				t.Errorf("the start says nothing of it:\n%s", w.Proxy.Output())
			}
			refused := w.Refused("")
			if refused.Code != test.sqlstate || !strings.Contains(refused.Message, test.message) || !strings.Contains(refused.Hint, test.hint) {
				t.Errorf("the client is told %s %q, hint %q", refused.Code, refused.Message, refused.Hint)
			}
			mended := rig.Account()
			for i := range mended.Instances {
				mended.Instances[i].NoIAM, mended.Instances[i].Status = false, ""
			}
			w.AWS.SetDatabases(mended)
			if got := w.Query("", rig.WhoAmI); got != rig.ItsMe {
				t.Errorf("got %q, want %q", got, rig.ItsMe)
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
			w := rig.Start(t, rig.Setup{
				Database: db, Databases: rig.Account(), Env: rig.InRegion,
				Args: []string{fmt.Sprintf("orders?via=%s&ca-file=%s", lab.Target, db.CAFile())},
				Faults: func(e *awsemu.Emulator) {
					for _, call := range calls {
						e.FailNext(call, test.code, test.message, -1)
					}
				},
			})
			if took := time.Since(began); took > 30*time.Second { // it waits for AWS for 10 s; the rest is for a busy machine
				t.Errorf("ready after %v", took)
			}
			if out := w.Proxy.Output(); !strings.Contains(out, "database not found yet") || !strings.Contains(out, ", not looked up yet") {
				t.Errorf("the start does not say it:\n%s", out)
			}
			if refused := w.Refused(""); refused.Code != test.sqlstate || !strings.Contains(refused.Message, test.told) || refused.Hint == "" {
				t.Errorf("the client is told %s %q, hint %q", refused.Code, refused.Message, refused.Hint)
			}
			for _, call := range calls {
				w.AWS.FailNext(call, "", "", 0)
			}
			if got := w.Query("", rig.WhoAmI); got != rig.ItsMe {
				t.Errorf("got %q, want %q", got, rig.ItsMe)
			}
		})
	}
}

// TestBurstSharesOneLookUp lets clients come all at once before the database is
// known.
func TestBurstSharesOneLookUp(t *testing.T) {
	db := startAccount(t)
	w := rig.Start(t, rig.Setup{
		Database: db, Databases: rig.Account(), Env: rig.InRegion,
		Args:   []string{fmt.Sprintf("orders?via=%s&ca-file=%s", lab.Target, db.CAFile())},
		Faults: func(e *awsemu.Emulator) { e.FailNext("DescribeDBInstances", "AccessDenied", "no", 1) },
	})
	before := w.AWS.Calls()["DescribeDBInstances"]
	w.AWS.SlowNext("DescribeDBInstances", 300*time.Millisecond, -1)
	errs := make(chan error, 5)
	for range cap(errs) {
		go func() {
			_, _, err := rig.Psql(t, w.Conninfo(""), "-c", "select 1")
			errs <- err
		}()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if n := w.AWS.Calls()["DescribeDBInstances"] - before; n != 1 {
		t.Errorf("%d look-ups for a burst of clients", n)
	}
}

// TestNameIsLookedUpAgain moves the database while pgkeyless runs: the answer
// that leads nowhere any more is not kept.
func TestNameIsLookedUpAgain(t *testing.T) {
	t.Parallel()
	db := startAccount(t)
	w := startNamed(t, db, "orders")
	w.Query("", rig.WhoAmI)
	moved := rig.Account()
	moved.Instances[0].Host = rig.LedgerMember
	w.AWS.SetDatabases(moved)
	w.AWS.SetHost(lab.Endpoint, rig.ClosedPort)
	for _, session := range w.AWS.Sessions() { // which knows the old address
		w.AWS.TerminateSession(session.ID, "")
	}
	deadline := time.Now().Add(3 * rig.Limit)
	for {
		_, _, err := rig.Psql(t, w.Conninfo(""), "-c", "select 1")
		logins := db.Logins()
		if err == nil && logins[len(logins)-1].Endpoint == rig.LedgerMember+":5432" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the new endpoint is not found: %v\n%s", err, w.Proxy.Output())
		}
		time.Sleep(200 * time.Millisecond)
	}
}
