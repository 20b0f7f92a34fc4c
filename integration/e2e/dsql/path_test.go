package dsql

import (
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/dsql"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
)

// doctor's stages are DSQL's: no jump host, no rds_iam, and how TLS began.
func TestDoctor(t *testing.T) {
	d := rig.StartDSQL(t, nil)
	cloud := rig.StartCloud(t)
	env := append(cloud.Env, "AWS_REGION="+lab.Region)
	cloud.AWS.SetDSQL(0, awsemu.DSQLCluster{Identifier: lab.DSQLID})
	for _, test := range []struct {
		name string
		how  dsql.TLS
		want string
	}{{lab.DSQLID, dsql.EitherTLS, "direct TLS, "}, {lab.DSQLHost, dsql.RequestTLS, "TLS after an SSLRequest, "}} {
		d.SetTLS(test.how)
		out, errs, code := rig.Run(t, env, "doctor", argument(d, test.name))
		if code != 0 {
			t.Errorf("doctor %s ended with %d\n%s%s", test.name, code, out, errs)
		}
		for _, want := range []string{lab.DSQLHost + ":5432 in " + lab.Region, "the cluster is active", "DSQL maps IAM identities to roles itself", test.want, "as admin to postgres", "\nall good\n"} {
			if !strings.Contains(out, want) {
				t.Errorf("doctor %s does not say %q:\n%s", test.name, want, out)
			}
		}
	}
	cloud.AWS.SetDSQL(0, awsemu.DSQLCluster{Identifier: lab.DSQLID, Status: "PENDING_DELETE"})
	if out, _, code := rig.Run(t, env, "doctor", argument(d, lab.DSQLHost)); code == 0 || !strings.Contains(out, "is pending_delete") || !strings.Contains(out, "name another database") {
		t.Errorf("doctor of a cluster that is being deleted ended with %d\n%s", code, out)
	}
	d.RefuseFull(-1)
	cloud.AWS.SetDSQL(0, awsemu.DSQLCluster{Identifier: lab.DSQLID})
	if out, _, code := rig.Run(t, env, "doctor", argument(d, lab.DSQLHost)); code == 0 || !strings.Contains(out, "too many open connections") || strings.Contains(strings.ToLower(out), "security group") {
		t.Errorf("doctor of a cluster that is full ended with %d\n%s", code, out)
	}
}

// policy prints what a login takes, and how the cluster is found, with the SQL.
func TestPolicy(t *testing.T) {
	cloud := rig.StartCloud(t)
	env := append(cloud.Env, "AWS_REGION="+lab.Region)
	cloud.AWS.SetDSQL(0, awsemu.DSQLCluster{Identifier: lab.DSQLID})
	for _, test := range []struct {
		args  []string
		want  []string
		never []string
	}{
		{[]string{lab.DSQLHost}, []string{`"dsql:DbConnectAdmin"`, lab.DSQLARN, "nothing to do"}, []string{"dsql:GetCluster", "rds", "UNKNOWN", "ssm:"}},
		{[]string{lab.DSQLHost, "--user", "app"}, []string{`"dsql:DbConnect"`, lab.DSQLARN, `CREATE ROLE "app" WITH LOGIN;`, `AWS IAM GRANT "app" TO 'arn:aws:iam::` + lab.Account + ":role/"}, []string{"DbConnectAdmin", "dsql:GetCluster", "rds"}},
		{[]string{lab.DSQLID, "--user", "app"}, []string{`"dsql:DbConnect"`, lab.DSQLARN, `"dsql:GetCluster"`, `"dsql:ListClusters"`}, []string{"rds:", "UNKNOWN"}},
		{[]string{lab.DSQLARN, "--format", "terraform"}, []string{`"dsql:DbConnectAdmin"`, `"dsql:GetCluster"`}, []string{"rds:"}},
	} {
		out, errs, code := rig.Run(t, env, append([]string{"policy"}, test.args...)...)
		if code != 0 {
			t.Errorf("policy %q ended with %d\n%s", test.args, code, errs)
		}
		for _, want := range test.want {
			if !strings.Contains(out, want) {
				t.Errorf("policy %q does not have %q:\n%s", test.args, want, out)
			}
		}
		for _, never := range test.never {
			if strings.Contains(out, never) {
				t.Errorf("policy %q has %q:\n%s", test.args, never, out)
			}
		}
	}
}
