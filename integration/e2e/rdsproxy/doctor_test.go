package rdsproxy

import (
	"os"
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
)

// pooled is the proxy as RDS describes it, with what change changes.
func pooled(change func(*awsemu.DBProxy)) awsemu.Databases {
	d := rig.OrdersDatabase(nil)
	p := awsemu.DBProxy{Name: "pooled", ResourceID: rig.PooledID, Host: lab.PooledHost, Targets: []awsemu.DBProxyTarget{{Instance: "orders", Host: lab.Host}}}
	if change != nil {
		change(&p)
	}
	d.Proxies = []awsemu.DBProxy{p}
	return d
}

// TestDoctorTellsOfTheProxy walks the path to a database behind an RDS Proxy.
func TestDoctorTellsOfTheProxy(t *testing.T) {
	pool := rig.StartRDSProxy(t, nil)
	for _, test := range []struct {
		name       string
		change     func(*awsemu.DBProxy)
		fault      func(*awsemu.Emulator)
		options    []string
		status     string
		text, note string
		fix        string
		atLogin    string
	}{
		{"by secrets", nil, nil, nil, "ok",
			"IAMAuth REQUIRED, DefaultAuthScheme NONE, requires TLS, ends idle clients after 30m0s, targets: orders available",
			"with the user's secret in Secrets Manager", "", "sends no cancel key"},
		{"end to end by IAM", func(p *awsemu.DBProxy) { p.EndToEnd, p.NoTLS, p.IdleClientTimeout = true, true, 60 }, nil, []string{"read-only"}, "ok",
			"IAMAuth not set, DefaultAuthScheme IAM_AUTH, does not require TLS, ends idle clients after 1m0s, targets: orders available",
			"its role arn:aws:iam::111122223333:role/rds-proxy-pooled must allow rds-db:connect on the database's own resource id, as app_user", "",
			"read-only and statement-timeout are set after the login"},
		{"no target", func(p *awsemu.DBProxy) {
			p.Targets[0].State, p.Targets[0].Reason, p.Targets[0].Description = "UNAVAILABLE", "AUTH_FAILURE", "no secret"
		}, nil, nil, "warning",
			"targets: orders unavailable (AUTH_FAILURE: no secret)", "", "the proxy's secrets or role", "asks for the token in clear text"},
		{"none registered", func(p *awsemu.DBProxy) { p.Targets = nil }, nil, nil, "warning", "no target is registered", "", "register-db-proxy-targets", ""},
		{"may not ask for targets", nil, func(e *awsemu.Emulator) { e.FailNext("DescribeDBProxyTargets", "AccessDenied", "no", -1) }, nil, "ok", "IAMAuth REQUIRED",
			"its targets are not known: ", "", ""},
		{"may not ask", nil, func(e *awsemu.Emulator) { e.FailNext("DescribeDBProxies", "AccessDenied", "no", -1) }, nil, "skipped", "not described by RDS", "", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := rig.OpenClinic(t, nil, rig.LeadTo(pool))
			c.AWS.SetDatabases(pooled(test.change))
			if test.fault != nil {
				test.fault(c.AWS)
			}
			lines, code := c.Stages(rig.PooledTarget(pool, append(test.options, "user=app_user")...))
			if code != 0 {
				t.Errorf("exit code %d: %+v", code, lines)
			}
			seen := map[string]rig.StageLine{}
			for _, l := range lines {
				seen[l.Stage] = l
			}
			got, login := seen["rds-proxy"], seen["login"]
			if rights := seen["rights"].Text; strings.Contains(rights, "by IAM end to end, and is in rds_iam (app_user > rds_iam)") != strings.Contains(got.Text, "IAM_AUTH") {
				t.Errorf("rights: %s", rights)
			}
			if got.Status != test.status || !strings.Contains(got.Text, test.text) || !strings.Contains(strings.Join(got.Notes, "\n"), test.note) || !strings.Contains(got.Fix, test.fix) {
				t.Errorf("%+v, want %s, %q, note %q, fix %q", got, test.status, test.text, test.note, test.fix)
			}
			if !strings.Contains(strings.Join(login.Notes, "\n"), test.atLogin) {
				t.Errorf("login %+v, want note %q", login, test.atLogin)
			}
		})
	}
}

func TestDoctorStopsAtAProxyWithoutIAM(t *testing.T) {
	pool := rig.StartRDSProxy(t, nil)
	c := rig.OpenClinic(t, nil, rig.LeadTo(pool))
	c.AWS.SetDatabases(pooled(func(p *awsemu.DBProxy) { p.NoIAM = true }))
	lines, code := c.Stages(rig.PooledTarget(pool, "user=app_user"))
	if last := lines[len(lines)-2]; code != 13 || last.Stage != "iam-authentication" || !strings.Contains(last.Fix, "modify-db-proxy --db-proxy-name pooled") {
		t.Errorf("exit code %d, %+v", code, last)
	}
}

// TestPolicyOfAProxyByIAM holds the binary to package policy's golden file.
func TestPolicyOfAProxyByIAM(t *testing.T) {
	c := rig.OpenClinic(t, nil, nil)
	d := rig.OrdersDatabase(nil)
	const host = "direct.proxy-c9akciq32abc.eu-central-1.rds.amazonaws.com"
	d.Proxies = []awsemu.DBProxy{{Name: "direct", ResourceID: "prx-0123456789abcdef1", Host: host, EndToEnd: true}}
	c.AWS.SetDatabases(d)
	want, err := os.ReadFile("../../../internal/policy/testdata/proxy-iam.txt.golden")
	if err != nil {
		t.Fatal(err)
	}
	stdout, stderr, code := c.Run("policy", host+"?user=app_user&via="+lab.Target)
	if code != 0 || stderr != "" || stdout != string(want) {
		t.Errorf("ended with %d, stderr %q:\n%s\nwant:\n%s", code, stderr, stdout, want)
	}
}
