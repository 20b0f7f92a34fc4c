package doctor

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// masterDatabase has a master user that logs in with tokens and is not in rds_iam.
func masterDatabase(t *testing.T) *pgserver.Server {
	t.Helper()
	db := rig.StartDatabase(t, rig.Shared.Keys, nil)
	admin, err := db.AdminConn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(t.Context())
	var rules string
	if err := admin.QueryRow(t.Context(), "show hba_file").Scan(&rules); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(rules)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.ReplaceAll(string(text), " +rds_iam ", " +rds_iam,postgres ")
	if err := os.WriteFile(rules, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	var before time.Time
	if err := admin.QueryRow(t.Context(), "select pg_conf_load_time() from pg_reload_conf()").Scan(&before); err != nil {
		t.Fatal(err)
	}
	for loaded(t, db).Equal(before) { // the postmaster takes a moment, after which backends that it makes know it
		if t.Context().Err() != nil {
			t.Fatal("the rules are not loaded")
		}
	}
	return db
}

// loaded is when the rules by which a login is let in now were loaded.
func loaded(t *testing.T, db *pgserver.Server) (at time.Time) {
	t.Helper()
	admin, err := db.AdminConn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(t.Context())
	if err := admin.QueryRow(t.Context(), "select pg_conf_load_time()").Scan(&at); err != nil {
		t.Fatal(err)
	}
	return at
}

// A master user that was made for IAM logs in without being in rds_iam: doctor and
// policy find nothing missing.
func TestMasterUserByIAM(t *testing.T) {
	t.Parallel()
	c := rig.OpenClinic(t, masterDatabase(t), nil)
	lines, code := c.Stages(c.Target("user=postgres"))
	for _, l := range lines {
		if l.Stage == "rights" && (l.Status != "ok" || !strings.Contains(l.Text, "is the master user, and logs in by IAM")) {
			t.Errorf("%+v", l)
		}
	}
	stdout, _, checked := c.Run("policy", c.Target("user=postgres"), "--check")
	if code != 0 || checked != 0 || !strings.Contains(stdout, `in place  database user "postgres": logged in, as the master user`) {
		t.Errorf("doctor ended with %d, policy --check with %d:\n%s", code, checked, stdout)
	}
}

// An Aurora express cluster has no security group to open, no IAM authentication
// to switch on, and a master user that needs nothing.
func TestExpressCluster(t *testing.T) {
	t.Parallel()
	c := rig.OpenClinic(t, nil, nil)
	c.AWS.SetDatabases(awsemu.Databases{Clusters: []awsemu.DBCluster{{
		Identifier: "hobby", ResourceID: "cluster-HOBBY", Host: "hobby.cluster-c9akciq32abc.eu-central-1.rds.amazonaws.com", Express: true, NoIAM: true, PausesAfter: 300,
	}}})
	target := "hobby?via=none&region=" + lab.Region + "&user="
	stdout, stderr, code := c.Run("policy", target+"postgres")
	for _, part := range []string{"an Aurora express cluster has none", "is the master user, which logs in by IAM", "dbuser:cluster-HOBBY/postgres"} {
		if code != 0 || !strings.Contains(stdout, part) {
			t.Errorf("ended with %d, %q; no %q in\n%s", code, stderr, part, stdout)
		}
	}
	if strings.Contains(stdout, "IAM authentication must be on") || strings.Contains(stdout, "GRANT") {
		t.Errorf("asks for what there is:\n%s", stdout)
	}
	lines, _ := c.Stages(target + "app_user")
	for _, l := range lines {
		if l.Stage == "iam-authentication" && (l.Status != "ok" || !strings.Contains(l.Text, "pauses after 300 s without a connection")) {
			t.Errorf("%+v", l)
		}
		if l.Status == "failed" && (l.Stage != "stream" || !strings.Contains(l.Fix, "express clusters have none")) {
			t.Errorf("%+v", l)
		}
	}
}
