package access

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// localPassword is what `pgkeyless password --local` prints.
func localPassword(t *testing.T, home string) string {
	t.Helper()
	out, errs, code := rig.Run(t, []string{"HOME=" + home}, "password", "--local")
	if code != 0 || len(strings.TrimSpace(out)) < 20 {
		t.Fatalf("password --local: code %d, %d bytes: %s", code, len(out), errs)
	}
	return strings.TrimSpace(out)
}

// Clients that read libpq's password file notice nothing.
func TestLocalPasswordIsFoundByDrivers(t *testing.T) {
	w := rig.Start(t, rig.Setup{Flags: []string{"--local-password"}})
	password := localPassword(t, w.Home)
	_, port, err := net.SplitHostPort(w.Proxy.Addresses()[0])
	if err != nil {
		t.Fatal(err)
	}
	wrong := `password authentication failed for user "` + pgserver.AppUser + `"`
	six := "::1"
	if l, err := net.Listen("tcp6", "[::1]:0"); err != nil {
		six = "127.0.0.1" // this machine has no other
	} else {
		l.Close()
	}
	tryAll(t, w, w.Home, []attempt{
		{name: "from the file", set: map[string]string{"sslmode": "disable"}},
		{name: "from the file, inside TLS", set: map[string]string{"sslmode": "require"}},
		{name: "from the file, for localhost", set: map[string]string{"host": "localhost"}, only: []string{"psql", "psycopg", "pgx"}},
		{name: "from the file, for ::1", set: map[string]string{"host": six}, only: []string{"psql", "psycopg", "pgx"}},
		{name: "pasted", set: map[string]string{"sslmode": "disable", "password": password, "passfile": "/nonexistent"}, only: []string{"psql", "psycopg", "pgx"}},
		{name: "wrong", set: map[string]string{"sslmode": "disable", "password": "wrong"}, want: wrong},
	})
	tryAll(t, w, t.TempDir(), []attempt{
		{name: "pasted", set: map[string]string{"password": password}},
		{name: "none", set: map[string]string{"sslmode": "disable"}, want: "password"},
	})
	if out, errs, err := rig.Psql(t, "host="+w.Home+" port="+port+" user="+pgserver.AppUser+" dbname="+pgserver.Database, "-c", "select current_user"); err != nil || out != pgserver.AppUser {
		t.Errorf("over the Unix socket, without a password: %q, %v: %s", out, err, errs)
	}
	if strings.Contains(w.Proxy.Output(), password) {
		t.Error("the password is in the output")
	}
	if !strings.Contains(w.Proxy.Output(), "password --local") {
		t.Error("the start does not say where the password is")
	}
}

// Another user of the machine gets in with the password alone.
func TestLocalPasswordKeepsOthersOut(t *testing.T) {
	w := rig.Start(t, rig.Setup{Flags: []string{"--local-password"}})
	password := localPassword(t, w.Home)
	as := func(given string) (string, error) {
		cmd := rig.PsqlCommand(t.Context(), w.Conninfo(""), "-c", "select current_user")
		cmd.Env = append(cmd.Env, "PGPASSWORD="+given)
		rig.RunAs(t, "nobody", cmd)
		out, err := cmd.CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
	if out, err := as(password); err != nil || out != pgserver.AppUser {
		t.Errorf("with the password: %v: %s", err, out)
	}
	if out, err := as("guess"); err == nil || !strings.Contains(out, "password authentication failed") {
		t.Errorf("with another: %v: %s", err, out)
	}
	info, err := os.Stat(filepath.Join(w.Home, ".pgpass"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v; want mode 0600", info.Mode(), err)
	}
}

// The password stays the same from run to run, and for several at once; lines do not
// outlast the run that they are for.
func TestLocalPasswordIsOneForAll(t *testing.T) {
	home := t.TempDir()
	path := filepath.Join(home, ".pgpass")
	theirs := "# mine\r\n*:*:*:*:other" // which would count for every host
	if err := os.WriteFile(path, []byte(theirs), 0o600); err != nil {
		t.Fatal(err)
	}
	start := func() *rig.World {
		t.Helper()
		return rig.Start(t, rig.Setup{Flags: []string{"--local-password"}, Env: func(env []string) []string { return append(rig.Without("HOME")(env), "HOME="+home) }})
	}
	login := func(w *rig.World) {
		t.Helper()
		for _, a := range byPsql(t, w, home, []attempt{{set: map[string]string{}}}) {
			if a != "connected "+pgserver.AppUser {
				t.Errorf("psql: %s", a)
			}
		}
	}
	first, second := start(), start()
	login(first)
	login(second)
	password := localPassword(t, home)
	if code := first.Stop(syscall.SIGTERM); code != 143 {
		t.Errorf("exit code %d", code)
	}
	login(second)
	second.Stop(syscall.SIGTERM)
	text, err := os.ReadFile(path)
	if err != nil || !strings.HasSuffix(string(text), "# pgkeyless: end\n"+theirs) || strings.Contains(string(text), "127.0.0.1") || strings.Count(string(text), password) != 1 {
		t.Errorf("afterwards: %v\n%s", err, text)
	}
	third := start()
	login(third)
	if again := localPassword(t, home); again != password {
		t.Error("the next start has made another password")
	}
	// A password that was taken out is replaced at the next start, and counts at once for
	// those that run.
	if err := os.WriteFile(path, []byte(theirs), 0o600); err != nil {
		t.Fatal(err)
	}
	fourth := start()
	if now := localPassword(t, home); now == password {
		t.Error("the old password is back")
	}
	login(fourth)
	got := byPgx(t, third, home, []attempt{{set: map[string]string{"password": localPassword(t, home)}}})
	if got[0] != "connected "+pgserver.AppUser {
		t.Errorf("with the new password: %s", got[0])
	}
	got = byPgx(t, third, home, []attempt{{set: map[string]string{"password": password}}})
	if !strings.Contains(got[0], "password authentication failed") {
		t.Errorf("with the old password: %s", got[0])
	}
}

// A client must not send the password to whoever listens on the port of a proxy that
// still drains. Another pgkeyless there keeps its lines when the old one ends.
func TestLocalPasswordIsNotForAClosedPort(t *testing.T) {
	home := t.TempDir()
	path := filepath.Join(home, ".pgpass")
	start := func(port string) *rig.World {
		t.Helper()
		return rig.Start(t, rig.Setup{Port: port, Flags: []string{"--local-password"}, Env: func(env []string) []string { return append(rig.Without("HOME")(env), "HOME="+home) }})
	}
	old := start(rig.FreePort(t)) // which nobody else is given meanwhile
	address := old.Proxy.Addresses()[0]
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	has := func(when string, want bool) {
		t.Helper()
		text, err := os.ReadFile(path)
		if got := strings.Contains(string(text), ":"+port+":"); err != nil || got != want {
			t.Errorf("%s: lines for the port %v, want %v: %v", when, got, want, err)
		}
	}
	conn := old.Connect("password=" + localPassword(t, home))
	has("serving", true)
	if err := old.Proxy.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	rig.AwaitClosed(t, address)
	has("draining", false)
	next := start(port)
	has("with a new one", true)
	var one int
	if err := conn.QueryRow(t.Context(), "select 1").Scan(&one); err != nil {
		t.Errorf("the old one drains no more: %v", err)
	}
	conn.Close(t.Context())
	if code := old.AwaitExit(); code != 143 {
		t.Errorf("exit code %d, want 143", code)
	}
	has("after the end of the old one", true)
	if got := byPsql(t, next, home, []attempt{{set: map[string]string{}}}); got[0] != "connected "+pgserver.AppUser {
		t.Errorf("psql: %s", got[0])
	}
}

// A user who has taken the password out gets another by a reload, and so do the lines of
// others that run. No config file is needed.
func TestReloadWritesTheLocalPasswordAgain(t *testing.T) {
	passfile := filepath.Join(t.TempDir(), "passwords")
	start := func() *rig.World {
		t.Helper()
		return rig.Start(t, rig.Setup{Flags: []string{"--local-password"}, Env: func(env []string) []string { return append(env, "PGPASSFILE="+passfile) }})
	}
	login := func(when string, w *rig.World, want string) {
		t.Helper()
		if got := byPsql(t, w, w.Home, []attempt{{set: map[string]string{"passfile": passfile}}}); !strings.Contains(got[0], want) {
			t.Errorf("%s: %s, want %q", when, got[0], want)
		}
	}
	reload := func(w *rig.World) {
		t.Helper()
		if _, errs, code := rig.Run(t, []string{"HOME=" + w.Home}, "reload"); code != 0 {
			t.Errorf("reload: code %d: %s", code, errs)
		}
	}
	first, second := start(), start()
	old := readPassword(t, passfile)
	login("at first", first, "connected")
	if err := os.Remove(passfile); err != nil {
		t.Fatal(err)
	}
	reload(second)
	if readPassword(t, passfile) == old {
		t.Error("the old password is back")
	}
	login("reloaded", second, "connected")
	login("not reloaded", first, "no password supplied")
	reload(first)
	login("reloaded, too", first, "connected")
	login("still", second, "connected")
}

func TestLocalPasswordInALinkedHome(t *testing.T) {
	real, home := t.TempDir(), filepath.Join(t.TempDir(), "home")
	if err := os.Symlink(real, home); err != nil {
		t.Fatal(err)
	}
	w := rig.Start(t, rig.Setup{Flags: []string{"--local-password"}, Env: func(env []string) []string { return append(rig.Without("HOME")(env), "HOME="+home) }})
	if got := byPsql(t, w, home, []attempt{{set: map[string]string{}}}); got[0] != "connected "+pgserver.AppUser {
		t.Errorf("psql: %s", got[0])
	}
	if _, err := os.Stat(filepath.Join(real, ".pgpass")); err != nil {
		t.Error(err)
	}
}

func TestLocalPasswordNeedsAFileOfOnesOwn(t *testing.T) {
	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, "open"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(home, "open"), 0o777); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ file, want string }{
		"in a directory of others": {filepath.Join(home, "open", "pgpass"), "open to other users"},
		"in no directory":          {filepath.Join(home, "missing", "pgpass"), "no such file"},
		"that is no file":          {os.DevNull, "cannot be kept"},
	} {
		_, stderr, code := rig.Run(t, []string{"HOME=" + home, "PGPASSFILE=" + test.file}, "orders?dial="+rig.ClosedPort, "--port", "0", "--local-password")
		if code != 1 || !strings.Contains(stderr, test.want) || !strings.Contains(stderr, "PGPASSFILE") {
			t.Errorf("%s: exit code %d: %s", name, code, stderr)
		}
	}
	_, stderr, code := rig.Run(t, []string{"HOME=" + home}, "password", "--local")
	if code != 1 || !strings.Contains(stderr, "no local password") || !strings.Contains(stderr, "--local-password") {
		t.Errorf("no password yet: exit code %d: %s", code, stderr)
	}
	_, stderr, code = rig.Run(t, []string{"HOME=" + home}, "orders", "--local-password", "--auth", "cert", "--client-ca-file", "x")
	if code != 1 || !strings.Contains(stderr, "exclude each other") {
		t.Errorf("with --auth: exit code %d: %s", code, stderr)
	}
}

// What leads clients to a running proxy leads them past its password, too, also where
// the file is elsewhere, and for clients that read none.
func TestCommandsKnowTheLocalPassword(t *testing.T) {
	passfile := filepath.Join(t.TempDir(), "passwords")
	w := rig.Start(t, rig.Setup{Flags: []string{"--local-password"}, Env: func(env []string) []string { return append(env, "PGPASSFILE="+passfile) }})
	env := append(rig.Shared.Keys.Env(w.AWS.URL()), "HOME="+w.Home, "PGUSER="+pgserver.AppUser, "PGDATABASE="+pgserver.Database)
	target := lab.Host
	run := func(what string, args ...string) {
		t.Helper()
		out, errs, code := rig.Run(t, env, args...)
		if code != 0 || strings.TrimSpace(out) != pgserver.AppUser {
			t.Errorf("%s: code %d, %q: %s", what, code, out, errs)
		}
	}
	query := `psql -XAtw -c "select current_user"`
	run("connect", "connect", target, "--", "-XAtw", "-c", "select current_user")
	run("exec", "exec", target, "--", "sh", "-c", query)
	run("exec, by the URL alone", "exec", target, "--", "sh", "-c", `unset PGHOST PGPORT PGPASSFILE; psql -XAtw -d "$DATABASE_URL" -c "select current_user"`)
	out, _, code := rig.Run(t, env, "env", target, "--shell=sh")
	if code != 0 || !strings.Contains(out, "export PGPASSFILE="+passfile+"\nexport PGREQUIREAUTH=scram-sha-256\n") || strings.Contains(out, ":"+readPassword(t, passfile)) {
		t.Errorf("env: code %d, %s", code, out)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*rig.Limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", out+query)
	cmd.Env = append(environment(w.Home), "PGUSER="+pgserver.AppUser, "PGDATABASE="+pgserver.Database)
	if said, err := cmd.CombinedOutput(); err != nil || strings.TrimSpace(string(said)) != pgserver.AppUser {
		t.Errorf("what env prints: %v: %s", err, said)
	}
	if _, errs, code := rig.Run(t, env, "service-file", target, "--file", filepath.Join(w.Home, "services")); code != 0 {
		t.Fatalf("service-file: %s", errs)
	}
	cmd = rig.PsqlCommand(ctx, "service="+target+" user="+pgserver.AppUser+" dbname="+pgserver.Database, "-c", "select current_user")
	cmd.Env = append(environment(w.Home), "PGSERVICEFILE="+filepath.Join(w.Home, "services"))
	if said, err := cmd.CombinedOutput(); err != nil || strings.TrimSpace(string(said)) != pgserver.AppUser {
		t.Errorf("by the service file: %v: %s", err, said)
	}
}

func readPassword(t *testing.T, path string) string {
	t.Helper()
	out, errs, code := rig.Run(t, []string{"PGPASSFILE=" + path}, "password", "--local")
	if code != 0 {
		t.Fatalf("password --local: %s", errs)
	}
	return strings.TrimSpace(out)
}
