package dsql

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/dsql"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
)

func TestMain(m *testing.M) { rig.Main(m) }

// start serves the stand-in d under name, at its own address, with further options.
func start(t *testing.T, d *dsql.Server, name string, options ...string) *rig.World {
	t.Helper()
	return rig.Start(t, rig.Setup{Args: []string{argument(d, name, options...)}})
}

// argument is a target that leads to d.
func argument(d *dsql.Server, name string, options ...string) string {
	return name + "?" + strings.Join(append([]string{"dial=" + d.Address(), "ca-file=" + d.CAFile()}, options...), "&")
}

// at is a conninfo for w's listener that names nothing but a user.
func at(t *testing.T, w *rig.World, user string) string {
	t.Helper()
	host, port, err := net.SplitHostPort(w.Proxy.Addresses()[0])
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("host=%s port=%s user=%s connect_timeout=30", host, port, user)
}

// answer runs statements by the real psql, each by itself.
func answer(t *testing.T, w *rig.World, user string, statements ...string) string {
	t.Helper()
	var args []string
	for _, s := range statements {
		args = append(args, "-c", s)
	}
	out, errs, err := rig.Psql(t, at(t, w, user), args...)
	if err != nil {
		t.Fatalf("psql as %s: %v\n%s\npgkeyless printed:\n%s", user, err, errs, w.Proxy.Output())
	}
	return out
}

// refusal is what psql prints of a login that fails.
func refusal(t *testing.T, w *rig.World, user string) string {
	t.Helper()
	out, errs, err := rig.Psql(t, at(t, w, user)+" sslmode=disable", "-c", "select 1")
	if err == nil {
		t.Fatalf("psql as %s got in: %s", user, out)
	}
	return errs
}

// last is the latest login that came as far as its token.
func last(t *testing.T, d *dsql.Server) dsql.Login {
	t.Helper()
	all := d.Logins()
	if len(all) == 0 {
		t.Fatal("no login came as far as its token")
	}
	return all[len(all)-1]
}

// roleApp makes the database role app, linked to the caller's IAM role.
func roleApp(t *testing.T, w *rig.World) {
	t.Helper()
	answer(t, w, "admin", "CREATE ROLE app WITH LOGIN", "AWS IAM GRANT app TO '"+lab.RoleARN+"'")
}

// limit is for what happens within a fraction of a second, where the machine is not busy.
const limit = 2 * time.Minute
