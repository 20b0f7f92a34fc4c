package commands

import (
	"bufio"
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// With --port none nobody can reach a target but by its socket, which all commands
// find.
func TestPortNoneServesTheSocketAlone(t *testing.T) {
	w := rig.Start(t, rig.Setup{Args: []string{app()}, Port: "none", Flags: []string{"--health-check", "--http-port", "0"}})
	if open := w.Proxy.Addresses(); len(open) != 0 {
		t.Errorf("listening on %q, want the socket alone", open)
	}
	socket := filepath.Dir(w.Proxy.Sockets()[0])
	out, errs, err := rig.Psql(t, "host="+socket+" port=5432 user="+pgserver.AppUser+" dbname="+pgserver.Database, "-c", rig.WhoAmI)
	if err != nil || out != rig.ItsMe {
		t.Errorf("psql: %q, %v\n%s", out, err, errs)
	}
	env := append(rig.Shared.Keys.Env(w.AWS.URL()), "HOME="+w.Home)
	for _, args := range [][]string{
		{"connect", app(), "--", "-XAtw", "-c", `\echo :HOST :PORT`, "-c", rig.WhoAmI},
		{"exec", app(), "--", "sh", "-c", `echo "$PGHOST $PGPORT" && psql -XAtwc "` + rig.WhoAmI + `"`},
	} {
		stdout, stderr, code := rig.Run(t, env, args...)
		if want := socket + " 5432\n" + rig.ItsMe + "\n"; code != 0 || stdout != want {
			t.Errorf("%s: code %d, %q, stderr %q; want %q", args[0], code, stdout, stderr, want)
		}
	}
	if _, stderr, code := rig.Run(t, env, "wait"); code != 0 {
		t.Errorf("wait: code %d, %s", code, stderr)
	}
	line := w.AwaitLine("Probes: ")
	_, probe, _ := strings.Cut(line, "Probes: ")
	if answer, err := http.Get(probe); err != nil || answer.StatusCode != http.StatusOK {
		t.Errorf("%s: %+v, %v", probe, answer, err)
	} else {
		answer.Body.Close()
	}
	if stdout, stderr, code := rig.Run(t, env, "status"); code != 0 || !strings.Contains(stdout, "orders") {
		t.Errorf("status: code %d, %q, %s", code, stdout, stderr)
	}
}

// impostor listens on a Unix socket in its working directory, and says what it hears.
const impostor = `
use Socket; $| = 1;
socket($s, PF_UNIX, SOCK_STREAM, 0) and bind($s, sockaddr_un(".s.PGSQL.5432")) and listen($s, 1) or die $!;
print "ready\n";
accept($c, $s) or die $!;
print "heard ", sysread($c, $bytes, 100), " bytes\n";
`

// Another user who has put a socket of their own in place of the proxy's gets nothing
// from connect and exec.
func TestSocketOfAnotherUserHearsNothing(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("only root can run the other user's program")
	}
	dir, err := os.MkdirTemp("", "pgk-") // not that of the registry, which would not be believed
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	w := rig.Start(t, rig.Setup{Args: []string{app() + "&unix-socket=" + dir}, Port: "none"})
	if err := errors.Join(os.Chmod(dir, 0o777), os.Remove(w.Proxy.Sockets()[0])); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*rig.Limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "perl", "-e", impostor)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	cmd.Stderr = os.Stderr
	said, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(said)
	if !lines.Scan() || lines.Text() != "ready" {
		t.Fatalf("the other user's program says %q", lines.Text())
	}
	env := append(rig.Shared.Keys.Env(w.AWS.URL()), "HOME="+w.Home)
	_, stderr, code := rig.Run(t, env, "connect", app(), "--", "-XAtwc", "select 'secret'")
	if code == 0 || !strings.Contains(stderr, "requirepeer specifies") {
		t.Errorf("code %d, %s; want psql to ask whose the socket is", code, stderr)
	}
	var heard []string
	for lines.Scan() { // until the connection has ended, and the program with it
		heard = append(heard, lines.Text())
	}
	if err := cmd.Wait(); err != nil || strings.Join(heard, "\n") != "heard 0 bytes" {
		t.Errorf("%v; the other user heard %q, want nothing", err, heard)
	}
}
