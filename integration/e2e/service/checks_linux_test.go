package service

import (
	"encoding/json"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// checksConfig looks after one replica in several ways.
const checksConfig = `global
    stats socket %[1]s mode 600
defaults
    mode tcp
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    timeout check 10s
    default-server inter 2s rise 1 fall 2
frontend text
    bind %[2]s:5432
    default_backend connects
backend connects
    server connects %[3]s:5432 check send-proxy check-send-proxy
backend asks
    option pgsql-check user app_user
    server asks %[3]s:5432 check send-proxy-v2 check-send-proxy
backend text
    option pgsql-check user app_user
    server asks-in-text %[3]s:5432 check send-proxy check-send-proxy
backend without
    option pgsql-check user app_user
    server without %[3]s:5432 check
`

// HAProxy's health checks pass: those that only connect, with the header of a connection
// of the balancer's own, and those that log in. One without a header does not.
func TestHealthChecksOfHAProxy(t *testing.T) {
	g := &gateway{t: t, all: t, dir: t.TempDir(), network: rig.NewNetwork(t)}
	g.database = rig.Shared.Database
	g.balancer = g.network.NewHost()
	host := g.network.NewHost()
	database := net.JoinHostPort(g.network.Address(), "6543")
	rig.StartRelay(t, database, g.database.Address())
	r := &replica{host: host, audit: filepath.Join(g.dir, "audit.jsonl")}
	r.World = rig.Start(t, rig.Setup{
		Args:   []string{lab.Host + "?dial=" + database + "&ca-file=" + g.database.CAFile()},
		Port:   "5432",
		Flags:  []string{"--address", "0.0.0.0", "--allow-anyone", "--proxy-protocol", "--proxy-protocol-from", g.balancer.Address, "--audit-log", r.audit},
		Change: func(cmd *exec.Cmd) { host.On(cmd) },
	})
	g.startHAProxy(fmt.Sprintf(checksConfig, g.cli(), g.balancer.Address, host.Address))
	for server, want := range map[string]string{"connects": "UP", "asks": "UP", "asks-in-text": "UP", "without": "DOWN"} {
		g.await(server, want)
		eventually(t, server, func() error { // before its first check a server is up, too
			got, err := g.stats(server)
			if err == nil && (want == "UP") != strings.HasSuffix(got["check_status"], "OK") {
				err = fmt.Errorf("the check says %s", got["check_status"])
			}
			return err
		})
	}
	conninfo := fmt.Sprintf("host=%s user=%s dbname=%s application_name=%%s port=%%s", g.balancer.Address, pgserver.AppUser, pgserver.Database)
	out, errs, err := rig.Psql(t, fmt.Sprintf(conninfo, "through", "5432"), "-c", "select current_user")
	if err != nil || out != pgserver.AppUser {
		t.Errorf("psql: %q, %v: %s", out, err, errs)
	}
	found := false
	for _, line := range r.records(t) {
		from, _, _ := strings.Cut(line.From, ":")
		via, _, _ := strings.Cut(line.Via, ":")
		found = found || line.Event == "login" && line.Application == "through" && from == g.network.Address() && via == g.balancer.Address && line.Proof == "none"
	}
	if !found {
		t.Errorf("the audit log has no login from %s via %s: %+v", g.network.Address(), g.balancer.Address, r.records(t))
	}
	open, err := pgconn.Connect(t.Context(), fmt.Sprintf(conninfo, "open", "5432"))
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close(t.Context())
	status, errs, exit := rig.Run(t, []string{"HOME=" + r.Home}, "status", "--json")
	var documents []struct{ Clients []record }
	if err := json.Unmarshal([]byte(status), &documents); exit != 0 || err != nil || len(documents) != 1 {
		t.Fatalf("status: exit code %d, %v: %s%s", exit, err, status, errs)
	}
	shown := slices.ContainsFunc(documents[0].Clients, func(c record) bool {
		return c.Application == "open" && strings.HasPrefix(c.From, g.network.Address()+":") && strings.HasPrefix(c.Via, g.balancer.Address+":")
	})
	if !shown {
		t.Errorf("status does not show the open session: %s", status)
	}
	// An untrusted address sends no header, and gets in as ever.
	direct := fmt.Sprintf("host=%s port=5432 user=%s dbname=%s", host.Address, pgserver.AppUser, pgserver.Database)
	if out, errs, err := rig.Psql(t, direct, "-c", "select current_user"); err != nil || out != pgserver.AppUser {
		t.Errorf("psql without the balancer: %q, %v: %s", out, err, errs)
	}
}
