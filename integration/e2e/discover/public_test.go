//go:build linux

package discover

import (
	"net"
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

const (
	hobbyHost = "hobby.cluster-c9akciq32abc." + lab.Region + ".rds.amazonaws.com"
	gateway   = "127.0.0.77" // where the name leads to
)

// hobby is an Aurora express cluster; private is one that is like it in all but that.
var hobby = awsemu.Databases{Clusters: []awsemu.DBCluster{
	{Identifier: "hobby", ResourceID: "cluster-HOBBY", Host: hobbyHost, Express: true, NoIAM: true},
	{Identifier: "private", ResourceID: "cluster-PRIVATE", Host: "private.cluster-c9akciq32abc." + lab.Region + ".rds.amazonaws.com"},
}}

// A cluster whose description says that it is public needs no jump host: from the list
// to psql in two commands. Nothing but RDS is asked, and no SSM session starts.
func TestPublicClusterNeedsNoJumpHost(t *testing.T) {
	db := rig.StartDatabase(t, rig.Shared.Keys, func(c *pgserver.Config) { c.Host = hobbyHost })
	rig.StartRelay(t, net.JoinHostPort(gateway, "5432"), db.Address())
	names := rig.StartNameServer(t, nil)
	names.Name(hobbyHost, gateway)
	w := rig.Start(t, rig.Setup{
		Args:      []string{"hobby?region=" + lab.Region + "&ca-file=" + db.CAFile()},
		Database:  db,
		Databases: hobby,
		Change:    names.Asking,
	})
	stdout, stderr, code := rig.Run(t, rig.Shared.Keys.Env(w.AWS.URL()), "list", "--region", lab.Region)
	if code != 0 || !strings.Contains(stdout, " public ") || !strings.Contains(stderr, "next: `pgkeyless hobby --region "+lab.Region+"` serves it") {
		t.Errorf("list ended with %d, %q\n%s", code, stderr, stdout)
	}
	if got := w.Query("user="+pgserver.AppUser, "select 1"); strings.TrimSpace(got) != "1" {
		t.Errorf("psql printed %q", got)
	}
	if s := w.AWS.Sessions(); len(s) != 0 {
		t.Errorf("SSM sessions %+v, want none", s)
	}
	if out := w.Proxy.Output(); !strings.Contains(out, ", public: pgkeyless connects directly\n") {
		t.Errorf("the start does not say how it connects:\n%s", out)
	}
}

// One that is not public needs a jump host, which is said once RDS has answered, with
// what to do.
func TestPrivateClusterNeedsAJumpHost(t *testing.T) {
	aws, err := lab.StartAWS(rig.Shared.Keys, "127.0.0.1:1", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { aws.Close() })
	aws.SetDatabases(hobby)
	_, stderr, code := rig.Run(t, rig.Shared.Keys.Env(aws.URL()), "private", "--region", lab.Region, "--port", "0", "--unix-socket", "none")
	if code != 1 || !strings.Contains(stderr, `target "private": no jump host given`) || !strings.Contains(stderr, "hint: add --via") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
}
