package commands

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// app is the usual target, for the usual user.
func app() string {
	return lab.TargetArg(rig.Shared.Database.CAFile(), "user="+pgserver.AppUser, "dbname="+pgserver.Database)
}

func TestConnectRunsPsql(t *testing.T) {
	c := rig.StartCloud(t)
	stdout, stderr, code := c.Run("connect", app(), "--", "-XAtwc", rig.WhoAmI)
	if code != 0 || strings.TrimSpace(stdout) != rig.ItsMe || stderr != "" {
		t.Errorf("code %d, %q, stderr %q; want %q alone", code, stdout, stderr, rig.ItsMe)
	}
	stdout, _, code = c.Run("connect", app(), "--", "-XAtw", "-v", "ON_ERROR_STOP=1", "-c", `\echo :HOST`, "-c", "select nonsense")
	if code != 1 {
		t.Errorf("code %d, want psql's own 1", code)
	}
	if dir := strings.TrimSpace(stdout); !filepath.IsAbs(dir) {
		t.Errorf("psql was at %q, want a socket's directory", dir)
	} else if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the socket's directory %s is still there (%v)", dir, err)
	}
}

// A failed connection is told once, by psql, with everything there is to say.
func TestConnectLeavesErrorsToPsql(t *testing.T) {
	c := rig.StartCloud(t)
	_, stderr, code := c.Run("connect", app()+"x", "--", "-XAtwc", "select 1") // no such database
	if code != 2 || strings.Count(stderr, "does not exist") != 1 || strings.Contains(stderr, "session ended") {
		t.Errorf("code %d, stderr %q; want psql's words alone, and its code 2", code, stderr)
	}
}

// On a terminal, Ctrl-C is psql's: it cancels the query, and psql goes on.
func TestConnectOnATerminal(t *testing.T) {
	if _, err := exec.LookPath("script"); err != nil {
		t.Fatalf("%v: install bsdutils or util-linux", err)
	}
	c := rig.StartCloud(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*rig.Limit)
	defer cancel()
	line := "exec " + rig.Shared.Binary + " connect '" + app() + "' -- -XAtw"
	cmd := exec.CommandContext(ctx, "script", "-qefc", line, "/dev/null")
	cmd.Env = append(append([]string{"PATH=" + os.Getenv("PATH"), "TERM=dumb", "PAGER="}, c.Env...), "PSQL_HISTORY=/dev/null")
	keys, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var screen strings.Builder
	cmd.Stdout, cmd.Stderr = &screen, &screen
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	keys.Write([]byte("set application_name = 'on a terminal';\nselect pg_sleep(120);\n"))
	(&rig.World{T: t, Database: rig.Shared.Database}).AwaitSleeper("application_name = $1", "on a terminal")
	keys.Write([]byte{3})
	keys.Write([]byte("select 'still ' || 'here';\n\\q\n"))
	err = cmd.Wait()
	if got := screen.String(); err != nil || !strings.Contains(got, "canceling statement due to user request") || !strings.Contains(got, "still here") {
		t.Errorf("%v; the screen:\n%s", err, got)
	}
}

// A signal during the look-up ends it, before there is a program to pass it on to,
// and nothing is blamed on the network.
func TestSignalDuringALookUp(t *testing.T) {
	for _, verb := range []string{"serve", "connect", "exec"} {
		t.Run(verb, func(t *testing.T) {
			t.Parallel()
			c := rig.StartCloud(t)
			c.AWS.SlowNext("DescribeDBInstances", time.Minute, -1)
			args := []string{verb, "orders?region=eu-central-1&via=" + lab.Target}
			if verb == "exec" {
				args = append(args, "--", "true")
			}
			cmd := exec.Command(rig.Shared.Binary, args...)
			cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, c.Env...)
			var said strings.Builder
			cmd.Stdout, cmd.Stderr = &said, &said
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			for c.AWS.Calls()["DescribeDBClusters"] == 0 { // asked side by side with the slow one
				select {
				case <-time.After(10 * time.Millisecond):
				case <-t.Context().Done():
					t.Fatal("AWS was not asked")
				}
			}
			began := time.Now()
			cmd.Process.Signal(os.Interrupt)
			cmd.Wait()
			words := said.String()
			if first, rest, _ := strings.Cut(words, "\n"); strings.Contains(first, " info still looking for the database ") { // after 3 s
				words = rest
			}
			if took, code := time.Since(began), cmd.ProcessState.ExitCode(); took > 30*time.Second || code != 130 || words != "" {
				t.Errorf("after %v code %d, %q; want 130 at once, without a word", took, code, said.String())
			}
		})
	}
}

func TestExecLeadsThere(t *testing.T) {
	c := rig.StartCloud(t)
	for _, by := range []string{`psql -XAtw`, `psql -XAtw -d "$DATABASE_URL"`} {
		stdout, stderr, code := c.Run("exec", app(), "--", "sh", "-c", by+` -c "`+rig.WhoAmI+`" && exit 7`)
		if code != 7 || strings.TrimSpace(stdout) != rig.ItsMe || stderr != "" {
			t.Errorf("%s: code %d, %q, stderr %q; want 7 and %q alone", by, code, stdout, stderr, rig.ItsMe)
		}
	}
	if _, _, code := c.Run("exec", app(), "--", "sh", "-c", "kill -TERM $$"); code != 143 {
		t.Errorf("code %d of a program that SIGTERM ended, want 143", code)
	}
}

// A proxy that runs already is used: no session is started for the program.
func TestRunningProxyIsUsed(t *testing.T) {
	w := rig.Start(t, rig.Setup{Args: []string{app()}})
	env := append(rig.Shared.Keys.Env(w.AWS.URL()), "HOME="+w.Home)
	socket := filepath.Dir(w.Proxy.Sockets()[0])
	_, port, _ := strings.Cut(w.Proxy.Addresses()[0], ":")

	stdout, stderr, code := rig.Run(t, env, "exec", app(), "--", "sh", "-c", `echo "$PGHOST $PGPORT"`)
	if want := "127.0.0.1 " + port + "\n"; code != 0 || stdout != want {
		t.Errorf("exec: code %d, %q, stderr %q; want %q", code, stdout, stderr, want)
	}
	stdout, stderr, code = rig.Run(t, env, "connect", app(), "--", "-XAtw", "-c", `\echo :HOST :PORT`, "-c", rig.WhoAmI)
	if want := socket + " " + port + "\n" + rig.ItsMe + "\n"; code != 0 || stdout != want {
		t.Errorf("connect: code %d, %q, stderr %q; want %q", code, stdout, stderr, want)
	}
	stdout, _, _ = rig.Run(t, env, "env", app(), "--shell=sh")
	if !strings.Contains(stdout, "export PGPORT="+port+"\n") {
		t.Errorf("env: %q, want port %s", stdout, port)
	}
	// What it leads to is enough to name it: not how, nor as whom.
	at := lab.Host + "?ca-file=" + rig.Shared.Database.CAFile()
	for _, name := range []string{at, at + "&user=" + pgserver.AppUser} {
		stdout, stderr, code = rig.Run(t, env, "connect", name, "--", "-XAtw", "-c", `\echo :HOST :PORT`, "-c", rig.WhoAmI)
		if want := socket + " " + port + "\n" + rig.ItsMe + "\n"; code != 0 || stdout != want {
			t.Errorf("connect %s: code %d, %q, stderr %q; want %q", name, code, stdout, stderr, want)
		}
	}
	stdout, stderr, _ = rig.Run(t, env, "env", at, "--shell=sh")
	if !strings.Contains(stdout, "export PGPORT="+port+"\nexport PGUSER="+pgserver.AppUser+"\n") || stderr != "" {
		t.Errorf("env: %q, stderr %q; want port %s, the proxy's user", stdout, stderr, port)
	}
	// The second terminal need not have the proxy's AWS settings, which may have been
	// renewed, nor its CA file.
	stranger := []string{"HOME=" + w.Home, "PATH=" + os.Getenv("PATH"), "AWS_PAGER=", "AWS_ACCESS_KEY_ID=AKIDOTHER", "AWS_PROFILE=other"}
	label, _, _ := strings.Cut(lab.Host, ".")
	for _, name := range []string{app(), lab.Host, label} {
		stdout, stderr, code = rig.Run(t, stranger, "exec", name, "--", "sh", "-c", `echo "$PGHOST $PGPORT"`)
		if want := "127.0.0.1 " + port + "\n"; code != 0 || stdout != want {
			t.Errorf("exec %s from another terminal: code %d, %q, stderr %q; want %q", name, code, stdout, stderr, want)
		}
	}
	_, stderr, code = rig.Run(t, env, "connect", at+"&read-only")
	if code != 1 || !strings.Contains(stderr, "no jump host given") || !strings.Contains(stderr, `serves "`+lab.Host+`" on 127.0.0.1:`+port+" with other options: read-only is not set there and true here") {
		t.Errorf("with another option: code %d, stderr %q", code, stderr)
	}
	_, stderr, code = rig.Run(t, env, "connect", at+"&user=other")
	if code != 1 || !strings.Contains(stderr, "no jump host given") {
		t.Errorf("as another user: code %d, stderr %q", code, stderr)
	}
	_, stderr, code = rig.Run(t, env, "env", "billing?via="+lab.Target+"&region=eu-central-1&port="+port)
	if code != 0 || !strings.Contains(stderr, `no running pgkeyless serves "billing" with these options yet; 127.0.0.1:`+port+` is "`+lab.Host+`" now`) {
		t.Errorf("env of what is not served: code %d, stderr %q", code, stderr)
	}
	// What leads elsewhere, or there as somebody else, is another target.
	for what, other := range map[string][]string{
		"options": {"exec", app() + "&sslnegotiation=direct"},
		"user":    {"exec", strings.Replace(app(), "user="+pgserver.AppUser, "user=other", 1)},
	} {
		stdout, _, code := rig.Run(t, env, append(other, "--", "sh", "-c", `echo "$PGPORT"`)...)
		if code != 0 || strings.TrimSpace(stdout) == port || stdout == "" {
			t.Errorf("with other %s: code %d, port %q; want one of its own", what, code, stdout)
		}
	}
}

// What psql's environment demands of a server was demanded of the database, by
// pgkeyless. Only the libpq that is installed tells which variables it knows.
func TestVariablesOfLibpqDoNotBreakThePrivatePlace(t *testing.T) {
	w := rig.Start(t, rig.Setup{Args: []string{app()}})
	for _, hostile := range []string{
		"PGSSLCERTMODE=require", "PGSSLCRL=/nonexistent", "PGSSLCRLDIR=/nonexistent", "PGTARGETSESSIONATTRS=standby", "PGREQUIREPEER=nobody",
		"PGSSLMINPROTOCOLVERSION=TLSv1.9", "PGSSLMODE=verify-full", "PGREQUIREAUTH=scram-sha-256", "PGCHANNELBINDING=require", "PGGSSENCMODE=require",
	} {
		env := append(rig.Shared.Keys.Env(w.AWS.URL()), "HOME="+w.Home, hostile)
		for _, args := range [][]string{{"connect", app(), "--", "-XAtwc", rig.WhoAmI}, {"exec", app(), "--", "psql", "-XAtwc", rig.WhoAmI}} {
			if stdout, stderr, code := rig.Run(t, env, args...); code != 0 || strings.TrimSpace(stdout) != rig.ItsMe {
				t.Errorf("%s with %s: code %d, %q, stderr %q; want %q", args[0], hostile, code, stdout, stderr, rig.ItsMe)
			}
		}
	}
}

// A proxy that lets its sessions end takes no new ones: connect and exec start one
// of their own meanwhile.
func TestEndingProxyIsNotUsed(t *testing.T) {
	w := rig.Start(t, rig.Setup{Args: []string{app()}})
	env := append(rig.Shared.Keys.Env(w.AWS.URL()), "HOME="+w.Home, "TMPDIR="+w.Home, "PGPASSFILE=/nonexistent")
	conn := w.Connect("")
	if err := w.Proxy.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	rig.AwaitClosed(t, w.Proxy.Addresses()[0])
	for _, args := range [][]string{{"connect", app(), "--", "-XAtwc", rig.WhoAmI}, {"exec", app(), "--", "psql", "-XAtwc", rig.WhoAmI}} {
		if stdout, stderr, code := rig.Run(t, env, args...); code != 0 || strings.TrimSpace(stdout) != rig.ItsMe {
			t.Errorf("%s: code %d, %q, stderr %q; want %q", args[0], code, stdout, stderr, rig.ItsMe)
		}
	}
	if _, err := conn.Exec(t.Context(), "select 1"); err != nil {
		t.Errorf("the session that was to go on: %v", err)
	}
	conn.Close(t.Context())
	if code := w.AwaitExit(); code != 143 {
		t.Errorf("exit code %d, want 143", code)
	}
}

func TestServiceFileLeadsThere(t *testing.T) {
	w := rig.Start(t, rig.Setup{Args: []string{app()}})
	env := append(rig.Shared.Keys.Env(w.AWS.URL()), "HOME="+w.Home)
	file := filepath.Join(w.Home, "services")
	if err := os.WriteFile(file, []byte("[theirs]\nhost=192.0.2.1"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, stderr, code := rig.Run(t, env, "service-file", app(), "--file", file)
	if code != 0 || !strings.Contains(stderr, "psql service="+lab.Host) {
		t.Fatalf("code %d, stderr %q", code, stderr)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*rig.Limit)
	defer cancel()
	cmd := rig.PsqlCommand(ctx, "service="+lab.Host, "-c", rig.WhoAmI)
	cmd.Env = append(cmd.Env, "PGSERVICEFILE="+file)
	if out, err := cmd.CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != rig.ItsMe {
		t.Errorf("psql service=%s: %q, %v", lab.Host, out, err)
	}
}
