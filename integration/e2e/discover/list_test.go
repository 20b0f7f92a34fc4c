package discover

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
)

// startRegions is an account in two regions, with a jump host in each.
func startRegions(t *testing.T) *awsemu.Emulator {
	t.Helper()
	fleet, config := rig.FleetOf(lab.Target)
	aws, err := lab.StartAWS(rig.Shared.Keys, "127.0.0.1:1", func(c *awsemu.Config) {
		config(c)
		c.Regions = []string{"eu-west-1", "eu-north-1"}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { aws.Close() })
	databases := rig.Account()
	databases.Instances = append(databases.Instances, awsemu.DBInstance{Identifier: "dublin", Host: "dublin.x.eu-west-1.rds.amazonaws.com", Region: "eu-west-1"})
	aws.SetDatabases(databases)
	fleet.Nodes = append(fleet.Nodes, awsemu.Node{ID: "mi-0123456789abcdef0", Name: "office", Region: "eu-west-1", Status: "Online"})
	aws.SetFleet(fleet)
	return aws
}

func TestListShowsDatabasesAndJumpHosts(t *testing.T) {
	aws := startRegions(t)
	stdout, stderr, code := rig.Run(t, rig.Shared.Keys.Env(aws.URL()), "list", "--region", "eu-central-1,eu-west-1")
	if want := "pgkeyless: next: `pgkeyless doctor ledger --via i-"; code != 0 || !strings.HasPrefix(stderr, want) || strings.Count(stderr, "\n") != 1 {
		t.Fatalf("exit code %d, stderr %q, want %q", code, stderr, want)
	}
	for _, line := range []string{
		`DATABASE KIND ENGINE STATUS IAM VPC ENDPOINT REGION`,
		`orders instance postgres 16.4 available on vpc-0123456789abcdef0 ` + lab.Endpoint + ` eu-central-1`,
		`ledger cluster aurora-postgresql 16.4 available on vpc-0123456789abcdef0 ` + rig.LedgerWriter + `:5432 eu-central-1`,
		`ledger-1 instance aurora-postgresql 16.4 available on vpc-0123456789abcdef0 ` + rig.LedgerMember + `:5432 eu-central-1`,
		`pooled proxy postgresql available on vpc-0123456789abcdef0 ` + rig.PooledHost + `:5432 eu-central-1`,
		`noiam instance postgres 16.4 available off `,
		`asleep instance postgres 16.4 stopped on `,
		`shop instance mysql 16.4 available not PostgreSQL vpc-0123456789abcdef0 shop.` + rig.Domain + `:3306 eu-central-1`,
		`dublin instance postgres 16.4 available on vpc-0123456789abcdef0 dublin.x.eu-west-1.rds.amazonaws.com:5432 eu-west-1`,
		`JUMP HOST NAME ADDRESS AGENT ONLINE PLATFORM REGION`,
		lab.Target + ` jump-a 10.0.0.10 3.3.1142.0 yes Amazon Linux eu-central-1`,
		rig.OtherHost + ` jump-b 10.0.0.10 3.3.1142.0 no Amazon Linux eu-central-1`,
		`mi-0123456789abcdef0 office 10.0.0.10 3.3.1142.0 yes Amazon Linux eu-west-1`,
	} {
		if table := regexp.MustCompile(` +`).ReplaceAllString(stdout, " "); !strings.Contains(table, line) {
			t.Errorf("the table lacks %q:\n%s", line, stdout)
		}
	}
}

func TestListAsJSON(t *testing.T) {
	aws := startRegions(t)
	stdout, stderr, code := rig.Run(t, append(rig.Shared.Keys.Env(aws.URL()), "AWS_REGION="+lab.Region), "list", "--json")
	var got struct {
		Databases []map[string]any
		JumpHosts []map[string]any `json:"jump_hosts"`
		Errors    []any
	}
	if err := json.Unmarshal([]byte(stdout), &got); err != nil || code != 0 || stderr != "" {
		t.Fatalf("%v, exit code %d, stderr %q\n%s", err, code, stderr, stdout)
	}
	if len(got.Databases) != 7 || len(got.JumpHosts) != 3 || got.Errors == nil || len(got.Errors) != 0 {
		t.Errorf("%d databases, %d jump hosts, errors %v:\n%s", len(got.Databases), len(got.JumpHosts), got.Errors, stdout)
	}
	for _, d := range got.Databases {
		if d["identifier"] == "ledger-1" && (d["resource_id"] != "cluster-LEDGER" || d["cluster"] != "ledger" || d["arn"] != rig.AccountARN+"db:ledger-1") {
			t.Errorf("a member of a cluster: %v", d)
		}
	}
}

// TestListTellsWhatIsMissing has parts fail: the rest is shown, and the exit code
// tells.
func TestListTellsWhatIsMissing(t *testing.T) {
	for _, test := range []struct {
		name    string
		fail    []string
		regions string
		code    int
		shown   string // "" for nothing
		errors  string
		hint    string
	}{
		{"jump hosts denied", []string{"DescribeInstanceInformation"}, "eu-central-1", 2, "orders", "eu-central-1: listing jump hosts: access denied", "ssm:DescribeInstanceInformation"},
		{"clusters denied", []string{"DescribeDBClusters"}, "eu-central-1", 2, "orders", "listing clusters: access denied", "rds:DescribeDBClusters"},
		{"everything denied", []string{"DescribeInstanceInformation", "DescribeDBInstances", "DescribeDBClusters", "DescribeDBProxies"}, "eu-central-1", 1, "", "access denied", "rds:Describe"},
		{"a region that refuses", nil, "eu-central-1,sa-east-1", 2, "orders", "sa-east-1: ", ""},
		{"nothing there", nil, "eu-north-1", 0, "", "no database and no jump host in eu-north-1", "--region and --profile"},
	} {
		t.Run(test.name, func(t *testing.T) {
			aws := startRegions(t)
			for _, call := range test.fail {
				aws.FailNext(call, "AccessDeniedException", "no", -1)
			}
			stdout, stderr, code := rig.Run(t, rig.Shared.Keys.Env(aws.URL()), "list", "--region", test.regions)
			if code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			if !strings.Contains(stdout, test.shown) || test.shown == "" && stdout != "" {
				t.Errorf("stdout %q, want %q in it", stdout, test.shown)
			}
			if !strings.Contains(stderr, test.errors) || !strings.Contains(stderr, "pgkeyless: hint: ") || !strings.Contains(stderr, test.hint) {
				t.Errorf("stderr lacks %q or %q:\n%s", test.errors, test.hint, stderr)
			}
		})
	}
	_, stderr, code := rig.Run(t, rig.Shared.Keys.Env("http://127.0.0.1:1"), "list")
	if code != 1 || !strings.Contains(stderr, "no AWS region") {
		t.Errorf("without a region: %d\n%s", code, stderr)
	}
}
