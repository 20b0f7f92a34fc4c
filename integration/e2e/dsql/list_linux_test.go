package dsql

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
)

// From the list to psql in two commands, with nothing else to say. Neither an SSM session
// nor RDS has a part in it.
func TestFromListToPsql(t *testing.T) {
	d := rig.StartDSQL(t, nil)
	// Where the name of the cluster leads to: this machine may run this test twice.
	endpoint := fmt.Sprintf("127.78.%d.%d", rand.IntN(256), 1+rand.IntN(254))
	rig.StartRelay(t, net.JoinHostPort(endpoint, "5432"), d.Address())
	names := rig.StartNameServer(t, nil)
	names.Name(lab.DSQLHost, endpoint)
	w := rig.Start(t, rig.Setup{
		Args:   []string{lab.DSQLID + "?region=" + lab.Region + "&ca-file=" + d.CAFile()},
		Faults: func(e *awsemu.Emulator) { e.SetDSQL(1, clusters...) },
		Change: names.Asking,
	})
	stdout, stderr, code := rig.Run(t, rig.Shared.Keys.Env(w.AWS.URL()), "list", "--region", lab.Region)
	if code != 0 || !strings.Contains(stderr, "next: `pgkeyless "+lab.DSQLID+" --region "+lab.Region+"` serves it") {
		t.Errorf("list ended with %d, %q\n%s", code, stderr, stdout)
	}
	for _, want := range []string{
		lab.DSQLID + "  DSQL cluster  aurora-dsql  active    on   public  " + lab.DSQLHost + ":5432  " + lab.Region,
		"z2345678901234567890123456  DSQL cluster  aurora-dsql  creating  on   public  z2345678901234567890123456.dsql." + lab.Region + ".on.aws:5432",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("the list does not have %q:\n%s", want, stdout)
		}
	}
	if strings.Contains(stdout, "y2345678901234567890123456") {
		t.Errorf("the list has a cluster of another region:\n%s", stdout)
	}
	if got := answer(t, w, "admin", whoAmI); got != "admin in postgres" {
		t.Errorf("psql printed %q", got)
	}
	if s := w.AWS.Sessions(); len(s) != 0 {
		t.Errorf("SSM sessions %+v, want none", s)
	}
	if out := w.Proxy.Output(); !strings.Contains(out, ", public: pgkeyless connects directly\n") {
		t.Errorf("the start does not say how it connects:\n%s", out)
	}
}

var clusters = []awsemu.DSQLCluster{
	{Identifier: "z2345678901234567890123456", Status: "CREATING", NoEndpoint: true},
	{Identifier: lab.DSQLID},
	{Identifier: "y2345678901234567890123456", Region: "eu-west-1"},
}

// Where DSQL may not be asked, or has no such cluster, the rest of the list is as good as
// before; a cluster that is named by its ARN is reached all the same.
func TestListWithoutDSQL(t *testing.T) {
	databases := awsemu.Databases{Instances: []awsemu.DBInstance{{Identifier: "orders", ResourceID: "db-ORDERS", Host: lab.Host}}}
	for _, test := range []struct {
		name, code, note string
		env              []string
		exit             int
	}{
		{"denied", "AccessDeniedException", "note: " + lab.Region + ": listing DSQL clusters: access denied", nil, 0},
		{"out of reach", "", "note: " + lab.Region + ": listing DSQL clusters:", []string{"AWS_ENDPOINT_URL_DSQL=http://" + rig.ClosedPort}, 0},
		{"an error", "InternalServerException", "listing DSQL clusters: InternalServerException", nil, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			cloud := rig.StartCloud(t)
			cloud.AWS.SetDatabases(databases)
			cloud.AWS.SetDSQL(0, clusters...)
			if test.code != "" {
				cloud.AWS.FailNext("ListDSQLClusters", test.code, "not for you", -1)
			}
			stdout, stderr, code := rig.Run(t, slices.Concat(cloud.Env, test.env), "list", "--region", lab.Region)
			if code != test.exit || !strings.Contains(stdout, "orders") || strings.Contains(stdout, lab.DSQLID) || !strings.Contains(stderr, test.note) || test.note == "" && strings.Contains(stderr, "DSQL") {
				t.Errorf("list ended with %d\n%s%s", code, stdout, stderr)
			}
		})
	}
	t.Run("no DSQL in the region", func(t *testing.T) {
		cloud := rig.StartCloud(t)
		cloud.AWS.SetDatabases(databases)
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		cmd := exec.CommandContext(ctx, rig.Shared.Binary, "list", "--region", lab.Region)
		cmd.Env = append(rig.Without("AWS_ENDPOINT_URL")(cloud.Env), "PATH="+os.Getenv("PATH"), "AWS_ENDPOINT_URL_RDS="+cloud.AWS.URL(), "AWS_ENDPOINT_URL_SSM="+cloud.AWS.URL())
		rig.StartNameServer(t, nil).Asking(cmd) // which says that there is no such name
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "orders") || strings.Contains(string(out), "DSQL") {
			t.Errorf("list ended with %v\n%s", err, out)
		}
	})
	t.Run("by ARN, without a permission", func(t *testing.T) {
		d := rig.StartDSQL(t, nil)
		w := rig.Start(t, rig.Setup{
			Args:   []string{argument(d, lab.DSQLARN)},
			Faults: func(e *awsemu.Emulator) { e.FailNext("GetCluster", "AccessDeniedException", "not for you", -1) },
		})
		if got := answer(t, w, "admin", whoAmI); got != "admin in postgres" {
			t.Errorf("psql printed %q", got)
		}
	})
	t.Run("by an identifier that nothing has", func(t *testing.T) {
		cloud := rig.StartCloud(t)
		_, stderr, code := rig.Run(t, cloud.Env, lab.DSQLID, "--region", lab.Region, "--port", "0", "--unix-socket", "none")
		if code != 1 || !strings.Contains(stderr, `there is no database "`+lab.DSQLID+`"`) {
			t.Errorf("ended with %d\n%s", code, stderr)
		}
	})
	t.Run("by an ARN that is not there", func(t *testing.T) {
		cloud := rig.StartCloud(t)
		_, stderr, code := rig.Run(t, cloud.Env, lab.DSQLARN, "--port", "0", "--unix-socket", "none")
		if code != 1 || !strings.Contains(stderr, "there is no database") {
			t.Errorf("ended with %d\n%s", code, stderr)
		}
	})
}
