package access

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// attempt is what a client says of itself, as libpq calls it, beside where it connects.
type attempt struct {
	name string
	set  map[string]string
	want string // words of the refusal; "" for a client that gets in
	// only names the drivers that can do this; empty: all of them.
	only []string
}

// driver is a client library. It makes all the attempts, which find home as their home
// directory, and says of each "connected USER" or why not.
type driver func(t *testing.T, w *rig.World, home string, all []attempt) []string

var drivers = map[string]driver{"psql": byPsql, "pgx": byPgx, "pgjdbc": byJDBC, "psycopg": byPsycopg}

// tryAll has every driver make the attempts that it can.
func tryAll(t *testing.T, w *rig.World, home string, all []attempt) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(drivers)) {
		mine := slices.DeleteFunc(slices.Clone(all), func(a attempt) bool { return a.only != nil && !slices.Contains(a.only, name) })
		said := drivers[name](t, w, home, mine)
		if len(said) != len(mine) {
			t.Errorf("%s: %d answers to %d attempts: %q", name, len(said), len(mine), said)
			continue
		}
		for i, a := range mine {
			if connected := "connected " + pgserver.AppUser; a.want == "" && said[i] != connected || a.want != "" && !strings.Contains(said[i], a.want) {
				t.Errorf("%s, %s: %q, want %q", name, a.name, said[i], a.want)
			}
		}
	}
}

// conninfo is a libpq connection string.
func (a attempt) conninfo(w *rig.World) string {
	var more []string
	for name, value := range a.set {
		more = append(more, name+"='"+strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value)+"'")
	}
	return w.Conninfo(strings.Join(more, " "))
}

// environment is a client's, with nothing of anybody else's settings.
func environment(home string) []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "LC_ALL=C.UTF-8"}
}

func byPsql(t *testing.T, w *rig.World, home string, all []attempt) (said []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	for _, a := range all {
		cmd := rig.PsqlCommand(ctx, a.conninfo(w), "-c", "select 'connected ' || current_user")
		cmd.Env = environment(home)
		out, _ := cmd.CombinedOutput()
		said = append(said, strings.Join(strings.Fields(string(out)), " "))
	}
	return said
}

func byPgx(t *testing.T, w *rig.World, home string, all []attempt) (said []string) {
	t.Helper()
	for _, a := range all {
		a.set = maps.Clone(a.set)
		if a.set["passfile"] == "" { // pgx asks the system for the home directory
			a.set["passfile"] = filepath.Join(home, ".pgpass")
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*rig.Limit)
		conn, err := pgx.Connect(ctx, a.conninfo(w))
		who := ""
		if err == nil {
			err = conn.QueryRow(ctx, "select 'connected ' || current_user").Scan(&who)
			conn.Close(ctx)
		}
		if err != nil {
			who = err.Error()
		}
		cancel()
		said = append(said, who)
	}
	return said
}

func byPsycopg(t *testing.T, w *rig.World, home string, all []attempt) []string {
	t.Helper()
	var lines []string
	for _, a := range all {
		lines = append(lines, a.conninfo(w))
	}
	// Debian's, which has Debian's packages.
	return ask(t, home, lines, "/usr/bin/python3", "-B", "testdata/ask.py")
}

func byJDBC(t *testing.T, w *rig.World, home string, all []attempt) []string {
	t.Helper()
	var lines []string
	for _, a := range all {
		q := url.Values{"user": {pgserver.AppUser}, "sslResponseTimeout": {"60000"}} // its default is 5 s
		for name, value := range a.set {
			if name == "sslkey" {
				value = pkcs8(t, value)
			}
			q.Set(name, value)
		}
		lines = append(lines, "jdbc:postgresql://"+w.Proxy.Addresses()[0]+"/"+pgserver.Database+"?"+q.Encode())
	}
	return ask(t, home, lines, "java", "-Duser.home="+home, "-cp", "/usr/share/java/postgresql.jar", "testdata/Ask.java")
}

// ask runs a program that answers each line with one.
func ask(t *testing.T, home string, lines []string, command string, args ...string) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, command, args...)
	cmd.Env = environment(home)
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v (scripts/install-deps installs it)\n%s", command, err, errs.String())
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

// pkcs8 writes a key as pgjdbc wants it, beside the PEM file that it is in.
func pkcs8(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		return path // a test of a key that is not there
	}
	block, _ := pem.Decode(text)
	key, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err == nil {
		err = os.WriteFile(path+".pk8", der, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path + ".pk8"
}

// Each way to prove who one is, by the drivers that people use, right and wrong.

func TestDriversBySCRAM(t *testing.T) {
	file := write(t, t.TempDir(), "userlist.txt", verifierFor(t, pgserver.AppUser, "s3cret pass"))
	w := rig.Start(t, rig.Setup{Flags: []string{"--auth", "scram", "--auth-file", file}})
	wrong := `password authentication failed for user "` + pgserver.AppUser + `"`
	tryAll(t, w, t.TempDir(), []attempt{
		{name: "without TLS", set: map[string]string{"sslmode": "disable", "password": "s3cret pass"}},
		{name: "inside TLS", set: map[string]string{"sslmode": "require", "password": "s3cret pass"}},
		{name: "bound to the TLS connection", set: map[string]string{"sslmode": "require", "password": "s3cret pass", "channel_binding": "require"}, only: []string{"psql", "psycopg", "pgx"}},
		{name: "wrong without TLS", set: map[string]string{"sslmode": "disable", "password": "wrong"}, want: wrong},
		{name: "wrong inside TLS", set: map[string]string{"sslmode": "require", "password": "wrong"}, want: wrong},
		{name: "wrong and bound", set: map[string]string{"sslmode": "require", "password": "wrong", "channel_binding": "require"}, want: wrong, only: []string{"psql", "psycopg", "pgx"}},
	})
}

func TestDriversByCertificate(t *testing.T) {
	dir := t.TempDir()
	ours, theirs := rig.NewAuthority(t, "ours"), rig.NewAuthority(t, "theirs")
	w := rig.Start(t, rig.Setup{Flags: []string{"--auth", "cert", "--client-ca-file", write(t, dir, "ca.pem", ours.PEM)}})
	by := func(a *rig.Authority, serial int64, name string) map[string]string {
		cert, key := a.Issue(t, dir, name, serial, func(c *x509.Certificate) { c.Subject.CommonName = strings.Split(name, ".")[0] })
		return map[string]string{"sslmode": "require", "sslcert": cert, "sslkey": key}
	}
	tryAll(t, w, t.TempDir(), []attempt{
		{name: "right", set: by(ours, 10, pgserver.AppUser+".ours")},
		{name: "somebody else's", set: by(ours, 11, "bob"), want: `bob may not connect as user "` + pgserver.AppUser + `"`},
		{name: "another CA's", set: by(theirs, 12, pgserver.AppUser+".theirs"), want: "certificate is not accepted"},
		{name: "none", set: map[string]string{"sslmode": "require"}, want: "requires a client certificate"},
		{name: "without TLS", set: map[string]string{"sslmode": "disable"}, want: "requires TLS"},
	})
}

func TestDriversByServiceAccountToken(t *testing.T) {
	cluster := rig.StartCluster(t)
	w := rig.Start(t, rig.Setup{Flags: reviewed(cluster)})
	token := func(text string) map[string]string { return map[string]string{"sslmode": "require", "password": text} }
	tryAll(t, w, t.TempDir(), []attempt{
		{name: "right", set: token(cluster.Token(nil))},
		{name: "forged", set: token(cluster.Forged()), want: "the API server rejects it"},
		{name: "for another audience", set: token(cluster.Token(func(c map[string]any) { c["aud"] = []string{"vault"} })), want: `its audience is "vault"`},
		{name: "expired", set: token(cluster.Token(func(c map[string]any) { c["exp"] = time.Now().Add(-time.Hour).Unix() })), want: "it expired at"},
		{name: "a password", set: token("s3cret"), want: "not a service-account token"},
		{name: "without TLS", set: map[string]string{"sslmode": "disable", "password": cluster.Token(nil)}, want: "requires TLS"},
	})
}
