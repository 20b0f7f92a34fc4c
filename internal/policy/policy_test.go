package policy

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/internal/database"
	"github.com/pgkeyless/pgkeyless/internal/iampolicy"
)

var update = flag.Bool("update", false, "write testdata/*.golden anew")

// orders is an instance behind one EC2 instance.
func orders(change func(*Facts)) Facts {
	f := Facts{
		Target: "orders.c9akciq32abc.eu-central-1.rds.amazonaws.com", Kind: database.Instance,
		Partition: "aws", Region: "eu-central-1", Account: "111122223333", ResourceID: "db-ABCDEFGHIJKLMNOPQRSTUVWXYZ",
		Host: "orders.c9akciq32abc.eu-central-1.rds.amazonaws.com", Port: 5432, User: "app_user", MasterUser: "postgres",
		Via: "i-0123456789abcdef0", ViaAccount: "111122223333",
	}
	if change != nil {
		change(&f)
	}
	return f
}

func elsewhere(partition, region, suffix string) func(*Facts) {
	return func(f *Facts) {
		f.Partition, f.Region = partition, region
		f.Host = "orders.c9akciq32abc." + suffix
		f.Target = f.Host
	}
}

var cases = map[string]Facts{
	"instance": orders(nil),
	"cluster": orders(func(f *Facts) {
		f.Kind, f.ResourceID, f.Target = database.Cluster, "cluster-ABCDEFGHIJKLMNOPQRSTUVWXYZ", "sales"
		f.Host, f.Lookup = "sales.cluster-c9akciq32abc.eu-central-1.rds.amazonaws.com", []string{"rds:DescribeDBClusters", "rds:DescribeDBInstances"}
	}),
	"proxy": orders(func(f *Facts) {
		f.Kind, f.ResourceID, f.Port = database.Proxy, "prx-0123456789abcdef0", 6432
		f.Host = "gate.proxy-c9akciq32abc.eu-central-1.rds.amazonaws.com"
		f.Target = f.Host
	}),
	"proxy-iam": orders(func(f *Facts) {
		f.Kind, f.ResourceID = database.Proxy, "prx-0123456789abcdef1"
		f.Host = "direct.proxy-c9akciq32abc.eu-central-1.rds.amazonaws.com"
		f.Target, f.EndToEnd, f.ProxyRole = f.Host, true, "arn:aws:iam::111122223333:role/rds-proxy-direct"
	}),
	"ecs":          orders(func(f *Facts) { f.Via = "ecs:my_cluster_0123456789abcdef0123456789abcdef_0123456789abcdef-1234567890" }),
	"ecs-service":  orders(func(f *Facts) { f.Via = "ecs:main/jump" }),
	"mi":           orders(func(f *Facts) { f.Via = "mi-0123456789abcdef0" }),
	"tag":          orders(func(f *Facts) { f.Via = "tag:Role=jump host" }),
	"asg":          orders(func(f *Facts) { f.Via = "asg:jump-hosts" }),
	"direct":       orders(func(f *Facts) { f.Via = "" }),
	"govcloud":     orders(elsewhere("aws-us-gov", "us-gov-west-1", "us-gov-west-1.rds.amazonaws.com")),
	"china":        orders(elsewhere("aws-cn", "cn-north-1", "rds.cn-north-1.amazonaws.com.cn")),
	"unknown":      orders(func(f *Facts) { f.Account, f.ViaAccount, f.ResourceID, f.User = "", "", "", "" }),
	"master":       orders(func(f *Facts) { f.User = "postgres" }),
	"odd-user":     orders(func(f *Facts) { f.User = `ada "*" ${x}?` }),
	"own-document": orders(func(f *Facts) { f.Document = "corp-forward" }),
	"secret": orders(func(f *Facts) {
		f.Secret = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:orders/app-??????"
	}),
	"managed": orders(func(f *Facts) {
		f.User, f.Managed, f.Lookup = "postgres", true, []string{"rds:DescribeDBInstances", "rds:DescribeDBClusters"}
		f.Secret = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:rds!db-0123-AbCdEf"
		f.SecretKey, f.SecretKeyKnown = "arn:aws:kms:eu-central-1:111122223333:key/01234567-89ab-cdef-0123-456789abcdef", true
	}),
	"secret-unknown": orders(func(f *Facts) { f.Secret, f.Kind = UnknownSecret, database.Proxy }),
	"express": orders(func(f *Facts) {
		f.Kind, f.Express, f.ResourceID, f.Target, f.Via = database.Cluster, true, "cluster-ABCDEFGHIJKLMNOPQRSTUVWXYZ", "hobby", ""
		f.Host, f.Lookup = "hobby.cluster-c9akciq32abc.eu-central-1.rds.amazonaws.com", []string{"rds:DescribeDBClusters", "rds:DescribeDBInstances"}
	}),
	"dsql": orders(func(f *Facts) {
		f.Kind, f.ResourceID, f.Host = database.DSQL, "abcdefghijklmnopqrstuvwxyz", "abcdefghijklmnopqrstuvwxyz.dsql.eu-central-1.on.aws"
		f.Target, f.Via = f.Host, ""
	}),
	"dsql-looked-up": orders(func(f *Facts) {
		f.Kind, f.ResourceID, f.Host = database.DSQL, "abcdefghijklmnopqrstuvwxyz", "abcdefghijklmnopqrstuvwxyz.dsql.eu-central-1.on.aws"
		f.Target, f.Via, f.User, f.Lookup = "abcdefghijklmnopqrstuvwxyz", "", "admin", []string{"dsql:GetCluster"}
	}),
}

func TestGolden(t *testing.T) {
	for name, facts := range cases {
		for suffix, text := range map[string]string{".txt": Text(facts), ".tf": Terraform(facts)} {
			path := filepath.Join("testdata", name+suffix+".golden")
			if *update {
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if text != string(want) {
				t.Errorf("%s:\n%s\nwant (go test ./policy -update writes it anew):\n%s", path, text, want)
			}
		}
		if !strings.Contains(Text(facts), JSON(facts)) {
			t.Errorf("%s: the text and the JSON differ", name)
		}
	}
	files, err := filepath.Glob("testdata/*.golden")
	if err != nil || len(files) != 2*len(cases) {
		t.Errorf("%d golden files, want %d (%v)", len(files), 2*len(cases), err)
	}
}

func TestPolicyIsWhatIAMTakes(t *testing.T) {
	for name, facts := range cases {
		var back iampolicy.Document
		dec := json.NewDecoder(strings.NewReader(JSON(facts)))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&back); err != nil || !reflect.DeepEqual(back, For(facts)) {
			t.Errorf("%s: read back %+v, %v", name, back, err)
		}
		sids := map[string]bool{}
		for _, s := range back.Statement {
			if sids[s.Sid] || s.Effect != "Allow" || len(s.Action) == 0 || len(s.Resource) == 0 {
				t.Errorf("%s: statement %+v", name, s)
			}
			sids[s.Sid] = true
			for _, r := range s.Resource {
				if r != "*" && r != UnknownSecret && !strings.HasPrefix(r, "arn:"+facts.Partition+":") {
					t.Errorf("%s: resource %q is not in %s", name, r, facts.Partition)
				}
			}
		}
	}
}

// A shell on the jump host must not come with a way to the database.
func TestSessionsAreForOneDocumentOnly(t *testing.T) {
	for name, facts := range cases {
		for _, s := range For(facts).Statement {
			hosts := slices.ContainsFunc(s.Resource, func(r string) bool { return !strings.Contains(r, ":document/") })
			if slices.Contains(s.Action, "ssm:StartSession") && hosts && s.Condition["BoolIfExists"]["ssm:SessionDocumentAccessCheck"] != "true" {
				t.Errorf("%s: %+v lets any document be used", name, s)
			}
		}
	}
}

func TestMasterUserIsNeverGrantedRDSIAM(t *testing.T) {
	for _, f := range []Facts{
		orders(func(f *Facts) { f.User, f.MasterUser = "postgres", "" }),
		orders(func(f *Facts) { f.User, f.MasterUser = "root", "root" }),
		orders(func(f *Facts) { f.User, f.MasterUser, f.Kind = "root", "root", database.Cluster }),
	} {
		for line := range strings.Lines(SQL(f)) {
			if !strings.HasPrefix(line, "--") {
				t.Errorf("user %q: %q is to be run", f.User, line)
			}
		}
	}
	if sql := SQL(orders(func(f *Facts) { f.User, f.Kind, f.Express = "postgres", database.Cluster, true })); !strings.Contains(sql, "nothing to do") || strings.Contains(sql, "GRANT") {
		t.Errorf("the master user of an express cluster logs in by IAM as it is: %s", sql)
	}
	for _, text := range []string{Text(cases["dsql"]), Text(cases["express"])} {
		if !strings.Contains(text, "has none") || strings.Contains(text, "the database's") {
			t.Errorf("a security group that there is not:\n%s", text)
		}
	}
	if sql := SQL(orders(func(f *Facts) { f.User, f.MasterUser = "postgres", "root" })); !strings.Contains(sql, `GRANT rds_iam TO "postgres"`) {
		t.Errorf("postgres is not the master user here: %s", sql)
	}
}

func TestUnknownTellsHowToFindEachGap(t *testing.T) {
	f := cases["unknown"]
	for _, gap := range f.Unknown() {
		if !strings.Contains(JSON(f), gap.Placeholder) {
			t.Errorf("%s is not in the policy", gap.Placeholder)
		}
		if !strings.Contains(gap.What, "`aws ") && !strings.Contains(gap.What, "--user") {
			t.Errorf("%s: %q names no command", gap.Placeholder, gap.What)
		}
	}
	if gaps := f.Unknown(); len(gaps) != 3 {
		t.Errorf("gaps %v, want user, resource id and account", gaps)
	}
	if gaps := cases["instance"].Unknown(); len(gaps) != 0 {
		t.Errorf("gaps %v where all is known", gaps)
	}
}
