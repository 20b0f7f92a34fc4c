package access

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"math/big"
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

// verifierFor runs `pgkeyless password`.
func verifierFor(t *testing.T, user, password string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), rig.Shared.Binary, "password", user)
	cmd.Stdin = strings.NewReader(password + "\n")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("pgkeyless password: %v: %s", err, errs.String())
	}
	if strings.Contains(string(out), password) {
		t.Fatalf("the password is in the verifier: %s", out)
	}
	return string(out)
}

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// psql runs a query with a password.
func psql(t *testing.T, conninfo, password string) (stdout, stderr string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*rig.Limit)
	defer cancel()
	cmd := rig.PsqlCommand(ctx, conninfo, "-c", "select current_user")
	cmd.Env = append(cmd.Env, "PGPASSWORD="+password)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return strings.TrimSpace(out.String()), errs.String(), err
}

func TestScram(t *testing.T) {
	file := write(t, t.TempDir(), "userlist.txt", verifierFor(t, pgserver.AppUser, "s3cret pass"))
	w := rig.Start(t, rig.Setup{Flags: []string{"--auth", "scram", "--auth-file", file}})
	for _, mode := range []string{"sslmode=disable", "sslmode=require channel_binding=require"} {
		if out, errs, err := psql(t, w.Conninfo(mode), "s3cret pass"); err != nil || out != pgserver.AppUser {
			t.Errorf("psql with %s: %q, %v: %s", mode, out, err, errs)
		}
		for name, user := range map[string]string{"a wrong password": pgserver.AppUser, "an unknown user": "nobody_here"} {
			_, errs, err := psql(t, w.Conninfo(mode+" user="+user), "wrong")
			if err == nil || !strings.Contains(errs, fmt.Sprintf(`password authentication failed for user "%s"`, user)) || !strings.Contains(errs, "HINT:") {
				t.Errorf("%s with %s: %v: %s", name, mode, err, errs)
			}
		}
	}
	// psql -w with no password at all.
	if _, errs, err := rig.Psql(t, w.Conninfo("sslmode=disable"), "-c", "select 1"); err == nil || !strings.Contains(errs, "password") {
		t.Errorf("without a password: %v: %s", err, errs)
	}
	for _, mode := range []string{"disable", "require"} {
		conn, err := pgx.Connect(t.Context(), w.Conninfo("password='s3cret pass' sslmode="+mode))
		if err != nil {
			t.Errorf("pgx with sslmode=%s: %v", mode, err)
			continue
		}
		conn.Close(t.Context())
	}
	if n := len(w.Database.Logins()); n == 0 {
		t.Error("no login reached the database")
	}
	// The owner's socket needs no password.
	_, port, err := net.SplitHostPort(w.Proxy.Addresses()[0])
	if err != nil {
		t.Fatal(err)
	}
	if out, errs, err := rig.Psql(t, fmt.Sprintf("host=%s port=%s user=%s dbname=%s", w.Home, port, pgserver.AppUser, pgserver.Database), "-c", "select current_user"); err != nil || out != pgserver.AppUser {
		t.Errorf("over the Unix socket: %q, %v: %s", out, err, errs)
	}
	// A changed file counts for the next login.
	if err := os.WriteFile(file, []byte(verifierFor(t, pgserver.AppUser, "another one")), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(file, time.Time{}, time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := psql(t, w.Conninfo(""), "s3cret pass"); err == nil {
		t.Error("the old password still counts")
	}
	if out, errs, err := psql(t, w.Conninfo(""), "another one"); err != nil || out != pgserver.AppUser {
		t.Errorf("with the new password: %q, %v: %s", out, err, errs)
	}
	for _, secret := range []string{"s3cret pass", "another one", "SCRAM-SHA-256$"} {
		if strings.Contains(w.Proxy.Output(), secret) {
			t.Errorf("the log has %q", secret)
		}
	}
}

// A program that exec leads to a proxy proves who it is with its own password.
func TestExecProvesWhoItIs(t *testing.T) {
	file := write(t, t.TempDir(), "userlist.txt", verifierFor(t, pgserver.AppUser, "s3cret"))
	w := rig.Start(t, rig.Setup{Flags: []string{"--auth", "scram", "--auth-file", file}})
	for password, want := range map[string]string{"s3cret": pgserver.AppUser, "wrong": "password authentication failed"} {
		env := append(rig.Shared.Keys.Env(w.AWS.URL()), "HOME="+w.Home, "PGPASSWORD="+password, "PGUSER="+pgserver.AppUser, "PGDATABASE="+pgserver.Database)
		out, errs, _ := rig.Run(t, env, "exec", lab.Host, "--", "psql", "-XAtw", "-c", "select current_user")
		if !strings.Contains(out+errs, want) {
			t.Errorf("with %s: %q, %q; want %q", password, out, errs, want)
		}
	}
}

// Another user of the machine gets in by a password: that is what it is for.
func TestScramLetsInOtherUsers(t *testing.T) {
	file := write(t, t.TempDir(), "userlist.txt", verifierFor(t, pgserver.AppUser, "s3cret"))
	w := rig.Start(t, rig.Setup{Flags: []string{"--auth", "scram", "--auth-file", file}})
	cmd := rig.PsqlCommand(t.Context(), w.Conninfo(""), "-c", "select current_user")
	cmd.Env = append(cmd.Env, "PGPASSWORD=s3cret")
	rig.RunAs(t, "nobody", cmd)
	if out, err := cmd.CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != pgserver.AppUser {
		t.Errorf("%v: %s", err, out)
	}
}

// Mistakes end the start, and name what is wrong.
func TestMistakesOfAuth(t *testing.T) {
	dir := t.TempDir()
	plain := write(t, dir, "plain.txt", `"ada" "s3cret"`+"\n")
	open := write(t, dir, "open.txt", verifierFor(t, "ada", "s3cret"))
	if err := os.Chmod(open, 0o666); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		flags []string
		want  string
		hint  string
	}{
		"no file":          {[]string{"--auth", "scram"}, "no auth-file", "pgkeyless password"},
		"a password":       {[]string{"--auth", "scram", "--auth-file", plain}, `plain.txt:1: user "ada": the secret is not a SCRAM verifier`, "pgkeyless password ada"},
		"absent":           {[]string{"--auth", "scram", "--auth-file", plain + "x"}, "no such file", "can read"},
		"open to others":   {[]string{"--auth", "scram", "--auth-file", open}, "other users can write", "chmod"},
		"no certificate":   {[]string{"--auth", "cert", "--client-ca-file", plain}, "holds no certificate", "PEM"},
		"half a pair":      {[]string{"--tls-cert", plain}, "tls-cert and tls-key must be set together", "both"},
		"no pair":          {[]string{"--tls-cert", plain, "--tls-key", plain}, "tls-cert", "PEM"},
		"beyond localhost": {[]string{"--address", "0.0.0.0"}, "would be logged in", "--allow-anyone"},
	} {
		_, stderr, code := rig.Run(t, nil, append([]string{lab.Host + "?dial=" + rig.ClosedPort, "--port", "0"}, test.flags...)...)
		if code != 1 || !strings.Contains(stderr, test.want) || !strings.Contains(stderr, test.hint) || strings.Contains(stderr, "s3cret") {
			t.Errorf("%s: exit code %d: %s", name, code, stderr)
		}
	}
}

func TestCertificates(t *testing.T) {
	dir := t.TempDir()
	ours, theirs := rig.NewAuthority(t, "ours"), rig.NewAuthority(t, "theirs")
	named := func(name string) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.Subject.CommonName = name }
	}
	crl, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Now().Add(-time.Minute), NextUpdate: time.Now().Add(time.Hour),
		RevokedCertificateEntries: []x509.RevocationListEntry{{SerialNumber: big.NewInt(66), RevocationTime: time.Now()}}}, ours.Certificate, ours.Key)
	if err != nil {
		t.Fatal(err)
	}
	shown, shownKey := ours.Issue(t, dir, "listener", 2, func(c *x509.Certificate) {
		c.IPAddresses, c.ExtKeyUsage = []net.IP{net.IPv4(127, 0, 0, 1)}, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	})
	caFile := write(t, dir, "ca.pem", ours.PEM)
	w := rig.Start(t, rig.Setup{Flags: []string{"--auth", "cert", "--client-ca-file", caFile, "--client-crl-file", write(t, dir, "crl.pem", rig.PEM("X509 CRL", crl)),
		"--tls-cert", shown, "--tls-key", shownKey, "--require-tls"}})
	base := "sslmode=verify-full sslrootcert=" + caFile
	for name, test := range map[string]struct {
		by     *rig.Authority
		serial int64
		change func(*x509.Certificate)
		want   string // "" lets it in
	}{
		"by common name": {ours, 10, named(pgserver.AppUser), ""},
		"by DNS name":    {ours, 11, func(c *x509.Certificate) { c.Subject.CommonName, c.DNSNames = "x", []string{pgserver.AppUser} }, ""},
		"somebody else":  {ours, 12, named("bob"), `bob may not connect as user "app_user"`},
		"of another CA":  {theirs, 13, named(pgserver.AppUser), "not accepted"},
		"revoked":        {ours, 66, named(pgserver.AppUser), "was revoked"},
		"ended":          {ours, 14, func(c *x509.Certificate) { named(pgserver.AppUser)(c); c.NotAfter = time.Now().Add(-time.Minute) }, "expired"},
		"for servers": {ours, 15, func(c *x509.Certificate) {
			named(pgserver.AppUser)(c)
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		}, "usage"},
		"that names none": {ours, 16, func(*x509.Certificate) {}, "names nobody"},
	} {
		cert, key := test.by.Issue(t, dir, fmt.Sprint("client", test.serial), test.serial, test.change)
		out, errs, err := psql(t, w.Conninfo(base+" sslcert="+cert+" sslkey="+key), "")
		if test.want == "" && (err != nil || out != pgserver.AppUser) || test.want != "" && (err == nil || !strings.Contains(errs, test.want) || !strings.Contains(errs, "HINT:")) {
			t.Errorf("%s: %q, %v: %s; want %q", name, out, err, errs, test.want)
		}
	}
	if _, errs, err := psql(t, w.Conninfo(base+" sslcert=/nonexistent"), ""); err == nil || !strings.Contains(errs, "requires a client certificate") {
		t.Errorf("without a certificate: %v: %s", err, errs)
	}
	if _, errs, err := psql(t, w.Conninfo("sslmode=disable"), ""); err == nil || !strings.Contains(errs, "requires TLS") {
		t.Errorf("without TLS: %v: %s", err, errs)
	}
	// The listener's certificate is read again when it changes.
	next := rig.NewAuthority(t, "next")
	renewed, renewedKey := next.Issue(t, t.TempDir(), "listener", 3, func(c *x509.Certificate) {
		c.IPAddresses, c.ExtKeyUsage = []net.IP{net.IPv4(127, 0, 0, 1)}, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	})
	for from, to := range map[string]string{renewed: shown, renewedKey: shownKey} {
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(to, time.Time{}, time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	good := filepath.Join(dir, "client10")
	nextCA := write(t, dir, "next.pem", next.PEM)
	if out, errs, err := psql(t, w.Conninfo("sslmode=verify-full sslrootcert="+nextCA+" sslcert="+good+".pem sslkey="+good+"-key.pem"), ""); err != nil || out != pgserver.AppUser {
		t.Errorf("after the listener's certificate has changed: %q, %v: %s", out, err, errs)
	}
}
