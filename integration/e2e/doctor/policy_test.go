package doctor

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
)

// policyDatabases are those of package policy's golden files.
func policyDatabases() awsemu.Databases {
	d := rig.OrdersDatabase(nil)
	d.Clusters = []awsemu.DBCluster{{Identifier: "sales", ResourceID: "cluster-ABCDEFGHIJKLMNOPQRSTUVWXYZ", Engine: "aurora-postgresql",
		Host: "sales.cluster-c9akciq32abc.eu-central-1.rds.amazonaws.com"}}
	d.Proxies = []awsemu.DBProxy{{Name: "gate", ResourceID: "prx-0123456789abcdef0", Host: "gate.proxy-c9akciq32abc.eu-central-1.rds.amazonaws.com"}}
	return d
}

// TestPolicyIsAsInTheGoldenFiles lets the binary find the facts that package
// policy's tests are given.
func TestPolicyIsAsInTheGoldenFiles(t *testing.T) {
	t.Parallel()
	const via = "&via=" + lab.Target
	tests := map[string]struct {
		target, region string
	}{
		"instance":    {target: lab.Host + "?user=app_user" + via},
		"proxy":       {target: "gate.proxy-c9akciq32abc.eu-central-1.rds.amazonaws.com:6432?user=app_user" + via},
		"ecs":         {target: lab.Host + "?user=app_user&via=ecs:my_cluster_0123456789abcdef0123456789abcdef_0123456789abcdef-1234567890"},
		"ecs-service": {target: lab.Host + "?user=app_user&via=ecs:main/jump"},
		"mi":          {target: lab.Host + "?user=app_user&via=mi-0123456789abcdef0"},
		"tag":         {target: lab.Host + "?user=app_user&via=tag:Role=jump%20host"},
		"asg":         {target: lab.Host + "?user=app_user&via=asg:jump-hosts"},
		"direct":      {target: lab.Host + "?user=app_user&via=none"},
		"govcloud":    {target: "orders.c9akciq32abc.us-gov-west-1.rds.amazonaws.com?user=app_user" + via, region: "us-gov-west-1"},
		"china":       {target: "orders.c9akciq32abc.rds.cn-north-1.amazonaws.com.cn?user=app_user" + via, region: "cn-north-1"},
		"master":      {target: lab.Host + "?user=postgres" + via},
		"odd-user":    {target: lab.Host + `?user=ada "*" ${x}?` + via},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := rig.OpenClinic(t, nil, func(cfg *awsemu.Config) {
				if test.region != "" {
					cfg.Region = test.region
				}
			})
			databases := policyDatabases()
			if test.region != "" {
				host, _, _ := strings.Cut(test.target, "?")
				databases.Instances[0].Host = host
			}
			c.AWS.SetDatabases(databases)
			for format, suffix := range map[string]string{"text": ".txt", "terraform": ".tf"} {
				want, err := os.ReadFile(filepath.Join("../../../internal/policy/testdata", name+suffix+".golden"))
				if err != nil {
					t.Fatal(err)
				}
				stdout, stderr, code := c.Run("policy", test.target, "--format", format)
				if code != 0 || stderr != "" || stdout != string(want) {
					t.Errorf("policy --format %s ended with %d, stderr %q:\n%s\nwant:\n%s", format, code, stderr, stdout, want)
				}
			}
			stdout, _, code := c.Run("policy", test.target, "--format", "json")
			if code != 0 || !json.Valid([]byte(stdout)) {
				t.Errorf("policy --format json ended with %d:\n%s", code, stdout)
			}
		})
	}
}

func TestPolicyByIdentifierNamesTheLookUp(t *testing.T) {
	c := rig.OpenClinic(t, nil, nil)
	c.AWS.SetDatabases(policyDatabases())
	stdout, stderr, code := c.Run("policy", "sales?region=eu-central-1&user=app_user&via="+lab.Target)
	for _, part := range []string{"dbuser:cluster-ABCDEFGHIJKLMNOPQRSTUVWXYZ/app_user", `"rds:DescribeDBClusters"`, `GRANT rds_iam TO "app_user";`} {
		if code != 0 || !strings.Contains(stdout, part) {
			t.Errorf("code %d, stderr %q, no %q in\n%s", code, stderr, part, stdout)
		}
	}
}

func TestPolicySaysWhatIsNotKnown(t *testing.T) {
	c := rig.OpenClinic(t, nil, nil)
	c.AWS.FailNext("DescribeDBInstances", "AccessDenied", "no", -1)
	stdout, stderr, code := c.Run("policy", c.Target(), "--format", "json")
	if code != 2 || !json.Valid([]byte(stdout)) || !strings.Contains(stdout, "dbuser:RESOURCE-ID-UNKNOWN/DATABASE-USER-UNKNOWN") {
		t.Errorf("ended with %d:\n%s", code, stdout)
	}
	for _, part := range []string{"RESOURCE-ID-UNKNOWN means", "aws rds describe-db-instances --region eu-central-1", "DATABASE-USER-UNKNOWN means", "--user NAME"} {
		if !strings.Contains(stderr, part) {
			t.Errorf("stderr lacks %q:\n%s", part, stderr)
		}
	}
}

// A jump host that is still to be chosen is a placeholder like any other.
func TestPolicyWithoutAJumpHost(t *testing.T) {
	c := rig.OpenClinic(t, nil, nil)
	target := lab.Host + "?user=app_user&ca-file=" + c.Database.CAFile()
	stdout, stderr, code := c.Run("policy", target, "--format", "json")
	if code != 2 || !json.Valid([]byte(stdout)) || !strings.Contains(stdout, ":instance/JUMP-HOST-UNKNOWN") || !strings.Contains(stdout, "dbuser:"+rig.OrdersID+"/app_user") {
		t.Errorf("ended with %d:\n%s", code, stdout)
	}
	if !strings.Contains(stderr, "JUMP-HOST-UNKNOWN") || !strings.Contains(stderr, "`pgkeyless list --region eu-central-1`") {
		t.Errorf("stderr %q", stderr)
	}
	stdout, _, code = c.Run("policy", target, "--check")
	if code != 3 || !strings.Contains(stdout, "not known jump host: none is named") || !strings.Contains(stdout, "in place  rds-db:connect") {
		t.Errorf("--check ended with %d:\n%s", code, stdout)
	}
}

func TestPolicyCheck(t *testing.T) {
	tests := []struct {
		name   string
		change func(*rig.Clinic)
		user   string
		code   int
		want   []string
	}{
		{"all in place", func(*rig.Clinic) {}, "app_user", 0, []string{"in place  IAM authentication", "in place  jump host", "in place  rds-db:connect", "in place  ssm:StartSession",
			`in place  database user "app_user": logged in, and in rds_iam (app_user > rds_iam)`}},
		{"permission missing", func(c *rig.Clinic) {
			c.AWS.SetSimulation(func(_, action, _ string) awsemu.Decision {
				return map[bool]awsemu.Decision{true: awsemu.ImplicitDeny, false: awsemu.Allowed}[action == "rds-db:connect"]
			})
		}, "app_user", 2, []string{"MISSING   rds-db:connect: no policy allows", "in place  ssm:StartSession"}},
		{"IAM authentication off", func(c *rig.Clinic) {
			c.AWS.SetDatabases(rig.OrdersDatabase(func(i *awsemu.DBInstance) { i.NoIAM = true }))
		}, "app_user", 2, []string{"MISSING   IAM authentication", "--enable-iam-database-authentication"}},
		{"user without rds_iam", func(*rig.Clinic) {}, "plain_user", 2, []string{`MISSING   database user "plain_user"`, `GRANT rds_iam TO "plain_user"`}},
		{"throttled", func(c *rig.Clinic) {
			c.AWS.FailNext("DescribeInstanceInformation", "ThrottlingException", "Rate exceeded", -1)
		}, "app_user", 3, []string{"not known jump host " + lab.Target, "too many API calls", `in place  database user "app_user"`}},
		{"jump host offline", func(c *rig.Clinic) { c.AWS.SetOnline(lab.Target, false) }, "app_user", 2, []string{"MISSING   jump host " + lab.Target}},
		{"stopped", func(c *rig.Clinic) {
			c.AWS.SetDatabases(rig.OrdersDatabase(func(i *awsemu.DBInstance) { i.Status = "stopped" }))
		}, "app_user", 3, []string{"not known IAM authentication", "start-db-instance"}},
		{"may not look", func(c *rig.Clinic) {
			for _, call := range []string{"DescribeDBInstances", "DescribeInstanceInformation", "SimulatePrincipalPolicy"} {
				c.AWS.FailNext(call, "AccessDenied", "no", -1)
			}
		}, "app_user", 3, []string{"not known IAM authentication", "not known permissions of " + lab.ARN, "not permitted: iam:SimulatePrincipalPolicy", `in place  database user "app_user"`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := rig.OpenClinic(t, nil, nil)
			test.change(c)
			stdout, stderr, code := c.Run("policy", c.Target("user="+test.user), "--check")
			if code != test.code || stderr != "" {
				t.Errorf("ended with %d, want %d; stderr %q", code, test.code, stderr)
			}
			for _, part := range test.want {
				if !strings.Contains(stdout, part) {
					t.Errorf("no %q in\n%s", part, stdout)
				}
			}
		})
	}
}
