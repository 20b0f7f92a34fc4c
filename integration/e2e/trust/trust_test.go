package trust

import (
	"context"
	"encoding/pem"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// target is the usual one, for the usual user.
func target(options ...string) string {
	return lab.TargetArg(rig.Shared.Database.CAFile(), append(options, "user="+pgserver.AppUser, "dbname="+pgserver.Database)...)
}

// caOf is the CA of the user whose home directory that is.
func caOf(t *testing.T, home string) string {
	t.Helper()
	stdout, stderr, code := rig.Run(t, []string{"HOME=" + home}, "ca", "path")
	if code != 0 || stderr != "" {
		t.Fatalf("ca path: code %d, %s", code, stderr)
	}
	return strings.TrimSpace(stdout)
}

func portOf(t *testing.T, w *rig.World) string {
	t.Helper()
	_, port, err := net.SplitHostPort(w.Proxy.Addresses()[0])
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// query runs psql, which must answer as it should, or fail with want in its words.
func query(t *testing.T, conninfo, want string) {
	t.Helper()
	out, errs, err := rig.Psql(t, conninfo+" user=app_user dbname=app connect_timeout=30", "-c", rig.WhoAmI)
	switch {
	case want == "" && (err != nil || out != rig.ItsMe):
		t.Errorf("%s: %q, %v\n%s", conninfo, out, err, errs)
	case want != "" && (err == nil || !strings.Contains(errs, want)):
		t.Errorf("%s: %q, %v\n%swant %q", conninfo, out, err, errs, want)
	}
}

func TestEveryModeVerifies(t *testing.T) {
	w := rig.Start(t, rig.Setup{})
	ca, port := caOf(t, w.Home), portOf(t, w)
	for _, mode := range []string{"prefer", "require", "verify-ca", "verify-full"} {
		for _, host := range []string{"localhost", "127.0.0.1", "orders.localhost hostaddr=127.0.0.1"} {
			query(t, "host="+host+" port="+port+" sslmode="+mode+" sslrootcert="+ca, "")
		}
	}
	if _, err := net.Dial("tcp6", net.JoinHostPort("::1", port)); err == nil {
		query(t, "host=::1 port="+port+" sslmode=verify-full sslrootcert="+ca, "")
	}
	for _, host := range []string{"localhost", "127.0.0.1"} {
		for _, negotiation := range []string{"postgres", "direct"} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			conn, err := pgx.Connect(ctx, "host="+host+" port="+port+" user=app_user dbname=app sslmode=verify-full sslnegotiation="+negotiation+" sslrootcert="+ca)
			if err != nil {
				t.Errorf("pgx at %s, sslnegotiation=%s: %v", host, negotiation, err)
			} else {
				conn.Close(ctx)
			}
			cancel()
		}
	}
	if strings.Contains(w.Proxy.Output(), "refused the certificate") {
		t.Errorf("the log says:\n%s", w.Proxy.Output())
	}
}

// People who use RDS have its roots at hand, and libpq then verifies whatever the
// sslmode.
func TestRefusedCertificateIsInTheLog(t *testing.T) {
	for _, tt := range []struct {
		name, conninfo string
		root           string // "" for the right one
		psql, log      string
	}{
		{"another CA with require", "host=localhost sslmode=require", rig.Shared.Database.CAFile(), "certificate verify failed", "the client broke it off"},
		{"another CA with verify-full", "host=localhost sslmode=verify-full", rig.Shared.Database.CAFile(), "certificate verify failed", "the client broke it off"},
		{"another name", "host=db.example.com hostaddr=127.0.0.1 sslmode=verify-full", "", "does not match host name", "probably refused the certificate"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := rig.Start(t, rig.Setup{})
			root := tt.root
			if root == "" {
				root = caOf(t, w.Home)
			}
			query(t, tt.conninfo+" port="+portOf(t, w)+" sslrootcert="+root, tt.psql)
			checkRefusal(t, w, tt.log)
		})
	}
}

// Node.js leaves in a way of its own: see proxy's startup.go.
func TestNodeRefusesTheCertificateInTheLog(t *testing.T) {
	w := rig.Start(t, rig.Setup{})
	node := func(roots, want string) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, "node", "testdata/refuse.mjs", portOf(t, w)) // scripts/install-deps installs it
		cmd.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS="+roots)
		said, err := cmd.CombinedOutput()
		if got := strings.TrimSpace(string(said)); err != nil || !strings.HasPrefix(got, want) {
			t.Fatalf("with roots %q node said %q, %v; want %q", roots, got, err, want)
		}
	}
	node("", "unable to verify the first certificate")
	checkRefusal(t, w, "probably refused the certificate")
	node(caOf(t, w.Home), "connected")
}

// checkRefusal checks the line of the log that has said in it.
func checkRefusal(t *testing.T, w *rig.World, said string) {
	t.Helper()
	line := w.AwaitLine(said)
	if !strings.Contains(line, " info ") || !strings.Contains(line, "pgkeyless ca") || strings.Contains(line, "sslmode=require") {
		t.Errorf("the log says %q, want what to do at info, and not to use require", line)
	}
}

// What a user has set for RDS does not stand in the way of a program that pgkeyless
// starts, nor of a shell.
func TestProgramsTrustTheListener(t *testing.T) {
	c := rig.StartCloud(t)
	c.Env = append(c.Env, "PGSSLROOTCERT="+rig.Shared.Database.CAFile(), "PGSSLMODE=verify-full")
	for _, mode := range []string{"prefer", "require", "verify-full"} {
		stdout, stderr, code := c.Run("exec", target(), "--", "psql", "-XAtw", "-d", "sslmode="+mode, "-c", rig.WhoAmI)
		if code != 0 || strings.TrimSpace(stdout) != rig.ItsMe || stderr != "" {
			t.Errorf("exec, sslmode=%s: code %d, %q, %q", mode, code, stdout, stderr)
		}
	}
	stdout, _, _ := c.Run("exec", target(), "--", "sh", "-c", `echo "$NODE_EXTRA_CA_CERTS" && cat "$NODE_EXTRA_CA_CERTS"`)
	path, text, _ := strings.Cut(stdout, "\n")
	if block, _ := pem.Decode([]byte(text)); block == nil || block.Type != "CERTIFICATE" {
		t.Errorf("NODE_EXTRA_CA_CERTS=%s holds %q", path, text)
	}
	c.Env = append(c.Env, "NODE_EXTRA_CA_CERTS=/company.pem")
	if stdout, _, _ := c.Run("exec", target(), "--", "sh", "-c", `echo "$NODE_EXTRA_CA_CERTS"`); stdout != "/company.pem\n" {
		t.Errorf("NODE_EXTRA_CA_CERTS became %q", stdout)
	}
	// psql at a socket needs none.
	if stdout, _, _ := c.Run("connect", target(), "--", "-XAtwc", `\! echo "<$PGSSLROOTCERT>"`); stdout != "<>\n" {
		t.Errorf("connect set PGSSLROOTCERT: %q", stdout)
	}
}

// A running proxy says which CA it has; env and service-file pass that on.
func TestClientsOfARunningProxyTrustIt(t *testing.T) {
	home := t.TempDir()
	runtime, err := os.MkdirTemp("", "pgk-") // short enough for sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(runtime) })
	state := t.TempDir()
	own := []string{"HOME=" + home, "XDG_RUNTIME_DIR=" + runtime}
	w := rig.Start(t, rig.Setup{Args: []string{target()}, Env: func(env []string) []string { return append(append(env, own...), "XDG_STATE_HOME="+state) }})

	stdout, stderr, code := rig.Run(t, own, "env", target(), "--shell=sh")
	if ca := "export PGSSLROOTCERT=" + filepath.Join(state, "pgkeyless", "ca.pem") + "\n"; code != 0 || stderr != "" || !strings.Contains(stdout, ca) {
		t.Fatalf("env: code %d, %q\n%swant %s", code, stderr, stdout, ca)
	}
	script := stdout + `psql -XAtw -d sslmode=verify-full -c "` + rig.WhoAmI + `"`
	ran, stderr, code := rig.Run(t, append(own, "PGSSLROOTCERT=/nonexistent"), "exec", target(), "--", "sh", "-c", script)
	if code != 0 || strings.TrimSpace(ran) != rig.ItsMe {
		t.Errorf("a shell: code %d, %q, %q", code, ran, stderr)
	}

	file := filepath.Join(home, "services")
	if _, stderr, code := rig.Run(t, own, "service-file", target(), "--file", file); code != 0 {
		t.Fatalf("service-file: code %d, %q", code, stderr)
	}
	services, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(services), "sslrootcert="+filepath.Join(state, "pgkeyless", "ca.pem")) {
		t.Errorf("the service file:\n%s", services)
	}
	cmd := rig.PsqlCommand(t.Context(), "service="+lab.Host+" host=localhost port="+portOf(t, w)+" sslmode=verify-full", "-c", rig.WhoAmI)
	cmd.Env = append(cmd.Env, "PGSERVICEFILE="+file)
	if out, err := cmd.CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != rig.ItsMe {
		t.Errorf("psql service=…: %v, %s", err, out)
	}
}

func TestUsersDoNotTrustEachOther(t *testing.T) {
	w := rig.Start(t, rig.Setup{})
	other := caOf(t, t.TempDir())
	query(t, "host=localhost port="+portOf(t, w)+" sslmode=verify-full sslrootcert="+other, "certificate verify failed")
}

// A container may have no place for state: clients that verify nothing connect.
func TestWithoutACAClientsConnectAsEver(t *testing.T) {
	w := rig.Start(t, rig.Setup{Env: func(env []string) []string { return append(env, "XDG_STATE_HOME=/dev/null") }})
	query(t, "host=localhost sslmode=require port="+portOf(t, w), "")
	if got := strings.Count(w.Proxy.Output(), "clients cannot verify the certificate"); got != 1 {
		t.Errorf("%d warnings, want 1:\n%s", got, w.Proxy.Output())
	}
}
