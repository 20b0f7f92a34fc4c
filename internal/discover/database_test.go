package discover

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/aws/smithy-go"

	"github.com/pgkeyless/pgkeyless/internal/awsapi/rds"
	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/database"
)

// account has one of everything.
func account() *fakeRDS {
	v1 := cluster("old")
	v1.EngineMode = "serverless"
	return &fakeRDS{
		instances: []rds.Instance{instance("orders", "postgres"), instance("shop", "mysql"), member("ledger-1", "ledger"), member("ledger-2", "ledger"), instance("both", "postgres"), member("same", "same")},
		clusters:  []rds.Cluster{cluster("ledger", "ledger-1", "ledger-2"), v1, cluster("same", "same")},
		customs:   []rds.ClusterEndpoint{custom("reports", "ledger")},
		proxies:   []rds.Proxy{proxy("pooled", "prx-0123"), proxy("both", "prx-4567")},
		ownEnds:   []rds.ProxyEndpoint{proxyEndpoint("pooled-ro", "pooled", rds.ReadOnly)},
		globals: []rds.GlobalCluster{{
			Identifier: "world", ARN: "arn:aws:rds::" + testAccount + ":global-cluster:world",
			Engine: "aurora-postgresql", Status: "available", Endpoint: "world.global-abc.global.rds.amazonaws.com",
			Members: []rds.GlobalMember{
				{ARN: testARN + "cluster:ledger"},
				{ARN: "arn:aws:rds:eu-west-1:" + testAccount + ":cluster:far", Writer: true},
			},
		}},
	}
}

func finder(t *testing.T, api RDS) *Finder {
	t.Helper()
	f, err := New(Config{Region: testRegion, Profile: "dev", RDS: api, RDSIn: func(region string) RDS {
		far := cluster("far")
		far.ARN = "arn:aws:rds:" + region + ":" + testAccount + ":cluster:far"
		return &fakeRDS{clusters: []rds.Cluster{far}}
	}})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestNamesLeadToEndpoints(t *testing.T) {
	const domain = "abc123.eu-central-1.rds.amazonaws.com"
	tests := []struct {
		ref, endpoint string
		host          string
		port          int
		kind          database.Kind
		resource      string
	}{
		{"orders", "", "orders." + domain, 5433, database.Instance, "db-orders"},
		{"orders", "writer", "orders." + domain, 5433, database.Instance, "db-orders"},
		{testARN + "db:orders", "", "orders." + domain, 5433, database.Instance, "db-orders"},
		{"ledger-2", "", "ledger-2." + domain, 5433, database.Instance, "cluster-ledger"},
		{"ledger", "", "ledger.cluster-" + domain, 5432, database.Cluster, "cluster-ledger"},
		{"ledger", "writer", "ledger.cluster-" + domain, 5432, database.Cluster, "cluster-ledger"},
		{"ledger", "reader", "ledger.cluster-ro-" + domain, 5432, database.Cluster, "cluster-ledger"},
		{"ledger", "ledger-2", "ledger-2." + domain, 5433, database.Cluster, "cluster-ledger"},
		{"ledger", "reports", "reports.cluster-custom-" + domain, 5432, database.Cluster, "cluster-ledger"},
		{testARN + "cluster:ledger", "reader", "ledger.cluster-ro-" + domain, 5432, database.Cluster, "cluster-ledger"},
		{"reports", "", "reports.cluster-custom-" + domain, 5432, database.Cluster, "cluster-ledger"},
		{"reports", "writer", "reports.cluster-custom-" + domain, 5432, database.Cluster, "cluster-ledger"},
		{testARN + "cluster-endpoint:reports", "", "reports.cluster-custom-" + domain, 5432, database.Cluster, "cluster-ledger"},
		{"same", "", "same.cluster-" + domain, 5432, database.Cluster, "cluster-same"},
		{"pooled", "", "pooled.proxy-" + domain, 5432, database.Proxy, "prx-0123"},
		{"pooled", "reader", "pooled-ro.endpoint.proxy-" + domain, 5432, database.Proxy, "prx-0123"},
		{"pooled", "pooled-ro", "pooled-ro.endpoint.proxy-" + domain, 5432, database.Proxy, "prx-0123"},
		{"pooled-ro", "", "pooled-ro.endpoint.proxy-" + domain, 5432, database.Proxy, "prx-0123"},
		{testARN + "db-proxy:prx-0123", "", "pooled.proxy-" + domain, 5432, database.Proxy, "prx-0123"},
		{testARN + "db-proxy-endpoint:prx-endpoint-pooled-ro", "", "pooled-ro.endpoint.proxy-" + domain, 5432, database.Proxy, "prx-0123"},
		{testARN + "db-proxy:prx-4567", "", "both.proxy-" + domain, 5432, database.Proxy, "prx-4567"},
		{"world", "", "world.global-abc.global.rds.amazonaws.com", 5432, database.Global, "cluster-far"},
	}
	for _, test := range tests {
		t.Run(test.ref+"/"+test.endpoint, func(t *testing.T) {
			f := finder(t, account())
			d, err := f.Database(t.Context(), test.ref, test.endpoint)
			if err != nil {
				t.Fatalf("%v\nhint: %s", err, errorHint(err))
			}
			if d.Host != test.host || d.Port != test.port || d.Kind != test.kind || d.ResourceID != test.resource {
				t.Errorf("got %s, %s, resource %s; want %s:%d, %s, %s", d.Address(), d.Kind, d.ResourceID, test.host, test.port, test.kind, test.resource)
			}
			wantRegion := testRegion
			if test.kind == database.Global {
				wantRegion = "eu-west-1" // its writer's
			}
			if d.Region != wantRegion || d.Account != testAccount || !d.IAM || d.Trouble() != nil {
				t.Errorf("region %s, account %s, IAM %v, trouble %v", d.Region, d.Account, d.IAM, d.Trouble())
			}
			back, err := f.ByEndpoint(t.Context(), d.Host)
			if err != nil || back.Host != d.Host || back.ResourceID != d.ResourceID {
				t.Errorf("by endpoint %s: %v, %v", d.Host, back, err)
			}
		})
	}
}

// A global cluster between two writers does not take the region's only cluster for one.
func TestGlobalClusterWithoutAWriter(t *testing.T) {
	api := account()
	api.clusters, api.globals[0].Members = []rds.Cluster{cluster("other")}, nil
	d, err := finder(t, api).Database(t.Context(), "world", "")
	if err != nil || d.ResourceID != "" || d.Cluster != "" || d.Host != api.globals[0].Endpoint {
		t.Errorf("got %+v, %v", d, err)
	}
}

func errorHint(err error) string {
	if e, ok := errors.AsType[*causes.Error](err); ok {
		return e.Hint()
	}
	return ""
}

func TestWrongNamesAreFinal(t *testing.T) {
	tests := []struct {
		ref, endpoint  string
		is             error
		message, hints string
	}{
		{"ordres", "", ErrNotFound, `no database "ordres" in eu-central-1 (profile dev)`, "did you mean orders?"},
		{"warehouse", "", ErrNotFound, "warehouse", "pgkeyless list"},
		{"shop", "", ErrUnsupported, "MySQL", "PostgreSQL"},
		{"old", "", ErrUnsupported, "Serverless v1", "Serverless v2"},
		{"both", "", ErrAmbiguous, "2 databases", testARN + "db:both or " + testARN + "db-proxy:prx-4567"},
		{"ledger", "nobody", ErrNotFound, `no endpoint "nobody"`, "writer, reader, ledger-1, ledger-2, reports"},
		{"pooled", "nobody", ErrNotFound, `no endpoint "nobody"`, "writer, pooled-ro"},
		{"orders", "reader", ErrNotFound, "one endpoint", "leave out"},
		{"ledger-1", "reader", ErrNotFound, "one endpoint", "name the cluster ledger"},
		{"arn:aws:rds:eu-central-1:999999999999:db:orders", "", ErrNotFound, "999999999999", "account 999999999999"},
		{testARN + "db:nobody", "", ErrNotFound, "nobody", "account"},
		{"arn:aws:s3:::bucket", "", ErrNotFound, "arn:aws:s3:::bucket", "check the ARN"},
		{testARN + "snapshot:x", "", ErrNotFound, "snapshot:x", "check the ARN"},
	}
	for _, test := range tests {
		t.Run(test.ref+"/"+test.endpoint, func(t *testing.T) {
			d, err := finder(t, account()).Database(t.Context(), test.ref, test.endpoint)
			e, ok := errors.AsType[*causes.Error](err)
			if !ok || !Final(err) || !errors.Is(err, test.is) {
				t.Fatalf("got %v, %v; want a final %v", d, err, test.is)
			}
			if !strings.Contains(e.Error(), test.message) || !strings.Contains(e.Hint(), test.hints) {
				t.Errorf("error %q, hint %q; want %q and %q in them", e, e.Hint(), test.message, test.hints)
			}
		})
	}
}

func TestEngineOfAnotherKindDoesNotCount(t *testing.T) {
	api := account()
	api.proxies = append(api.proxies, proxy("shop", "prx-89ab"))
	if d, err := finder(t, api).Database(t.Context(), "shop", ""); err != nil || d.Kind != database.Proxy {
		t.Errorf("a MySQL instance and a PostgreSQL proxy: %v, %v; want the proxy", d, err)
	}
}

func TestFailuresThatPassAreNotFinal(t *testing.T) {
	denied := &smithy.GenericAPIError{Code: "AccessDenied", Message: "User: arn:aws:sts::111122223333:assumed-role/dev/ada is not authorized to perform: rds:DescribeDBProxies on resource: * because no identity-based policy allows it"}
	tests := []struct {
		name    string
		errs    map[string]error
		ref     string
		message string // "" for success
		hints   string
	}{
		{"found although others are denied", map[string]error{"DescribeDBProxies": denied, "DescribeDBClusters": denied}, "orders", "", ""},
		{"perhaps what may not be asked for", map[string]error{"DescribeDBProxies": denied}, "pooled", "access denied", `"Action": "rds:DescribeDBProxies"`},
		{"throttled", map[string]error{"DescribeDBInstances": &smithy.GenericAPIError{Code: "Throttling", Message: "Rate exceeded"}}, "pool", "too many API calls", "minute"},
		{"no network", map[string]error{"DescribeDBInstances": errors.New("dial tcp: no route to host")}, "pool", "no route to host", "network"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			api := account()
			api.errs = test.errs
			_, err := finder(t, api).Database(t.Context(), test.ref, "")
			if test.message == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			e, ok := errors.AsType[*causes.Error](err)
			if !ok || Final(err) || !strings.Contains(e.Error(), test.message) || !strings.Contains(e.Hint(), test.hints) {
				t.Errorf("got %v, hint %q; want %q and %q, not final", err, errorHint(err), test.message, test.hints)
			}
		})
	}
}

func TestTroubleNamesItsMend(t *testing.T) {
	tests := []struct {
		name    string
		d       Database
		message string
		hints   string
	}{
		{"instance without IAM", Database{Identifier: "orders", Kind: database.Instance, Region: testRegion, Status: "available"}, "IAM authentication is off",
			"aws rds modify-db-instance --db-instance-identifier orders --region eu-central-1 --enable-iam-database-authentication --apply-immediately"},
		{"member of a cluster without IAM", Database{Identifier: "ledger-1", Cluster: "ledger", Kind: database.Instance, Region: testRegion}, "IAM authentication is off",
			"aws rds modify-db-cluster --db-cluster-identifier ledger "},
		{"proxy without IAM", Database{Identifier: "pooled", Kind: database.Proxy}, "IAM authentication is off", "modify-db-proxy --db-proxy-name pooled"},
		{"stopped", Database{Identifier: "orders", Kind: database.Instance, Region: testRegion, Status: "stopped", IAM: true}, "is stopped", "aws rds start-db-instance --db-instance-identifier orders"},
		{"being made", Database{Identifier: "ledger", Kind: database.Cluster, Status: "creating", IAM: true}, "is creating", "wait"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := test.d.Trouble()
			e, ok := errors.AsType[*causes.Error](err)
			if !ok || Final(err) || !strings.Contains(e.Error(), test.message) || !strings.Contains(e.Hint(), test.hints) {
				t.Errorf("got %v, hint %q; want %q and %q", err, errorHint(err), test.message, test.hints)
			}
		})
	}
	for _, status := range []string{"available", "backing-up", "modifying", "some-state-of-tomorrow"} {
		if err := (Database{Status: status, IAM: true}).Trouble(); err != nil {
			t.Errorf("%s: %v", status, err)
		}
	}
}

func TestListHasAllPagesAndMarksEngines(t *testing.T) {
	api := account()
	all, err := finder(t, api).Databases(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range all {
		mark := ""
		if !d.Postgres() {
			mark = " " + d.Engine
		}
		got = append(got, d.Kind.String()+" "+d.Identifier+mark)
	}
	want := []string{"instance both", "proxy both", "cluster ledger", "instance ledger-1", "instance ledger-2", "cluster old", "instance orders",
		"proxy pooled", "instance same", "cluster same", "instance shop mysql"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	api.errs = map[string]error{"DescribeDBClusters": errors.New("no route to host")}
	if all, err := finder(t, api).Databases(t.Context()); err == nil || len(all) != len(want)-3 {
		t.Errorf("with one call failing: %d databases, %v", len(all), err)
	}
}
