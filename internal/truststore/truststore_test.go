package truststore

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func newCA(t *testing.T) CA {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(0xabc), Subject: pkix.Name{CommonName: "pgkeyless ada@laptop"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644); err != nil {
		t.Fatal(err)
	}
	return CA{file, cert, "ada"}
}

func makeDirs(t *testing.T, dirs ...string) {
	t.Helper()
	for _, dir := range dirs {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func checkOutcomes(t *testing.T, got []Outcome, stores ...string) {
	t.Helper()
	if len(got) != len(stores) {
		t.Fatalf("outcomes %v, want %d", got, len(stores))
	}
	for i, want := range stores {
		if got[i].Err != nil || !strings.Contains(got[i].Store, want) {
			t.Errorf("outcome %v, want %s done", got[i], want)
		}
	}
}

// The programs of Debian and of NSS, on files of the test's own.
func TestInstallAndUninstallByTheRealPrograms(t *testing.T) {
	update, err := exec.LookPath("update-ca-certificates")
	if err != nil {
		update = "/usr/sbin/update-ca-certificates"
	}
	for _, program := range []string{update, "certutil", "openssl"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is missing", program)
		}
	}
	root, home := t.TempDir(), t.TempDir()
	under := func(path string) string { return filepath.Join(root, path) }
	makeDirs(t, under("/usr/local/share/ca-certificates"), under("/usr/share/ca-certificates"), under("/etc/ssl/certs"), under("/etc/ca-certificates/update.d"))
	other, err := os.ReadFile(newCA(t).File) // as one of the system's own
	if err != nil {
		t.Fatal(err)
	}
	for path, content := range map[string][]byte{"/usr/share/ca-certificates/other.crt": other, "/etc/ca-certificates.conf": []byte("other.crt\n")} {
		if err := os.WriteFile(under(path), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	db := filepath.Join(home, ".pki", "nssdb")
	makeDirs(t, db)
	if out, err := exec.Command("certutil", "-N", "-d", "sql:"+db, "--empty-password").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	run := func(ctx context.Context, name string, args ...string) error {
		if name == "update-ca-certificates" {
			name, args = update, append(args, "--localcertsdir", under("/usr/local/share/ca-certificates"), "--certsdir", under("/usr/share/ca-certificates"),
				"--certsconf", under("/etc/ca-certificates.conf"), "--etccertsdir", under("/etc/ssl/certs"), "--hooksdir", under("/etc/ca-certificates/update.d"))
		}
		if out, err := exec.CommandContext(ctx, name, args...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", name, err, out)
		}
		return nil
	}
	s := System{OS: "linux", Root: root, Home: home, Superuser: true, Run: run, Has: func(string) bool { return true }}
	ca := newCA(t)
	bundled := func() bool {
		bundle, err := os.ReadFile(under("/etc/ssl/certs/ca-certificates.crt"))
		ours, err2 := os.ReadFile(ca.File)
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		return bytes.Contains(bundle, ours)
	}
	trusted := func() bool {
		out, err := exec.Command("certutil", "-L", "-d", "sql:"+db).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return strings.Contains(string(out), "pgkeyless ada@laptop") && strings.Contains(string(out), "C,,")
	}
	for range 2 { // it may be repeated
		checkOutcomes(t, s.Install(t.Context(), ca), "/usr/local/share/ca-certificates/pgkeyless-ada.crt", db)
		if !bundled() || !trusted() {
			t.Errorf("installed: in the system's bundle %v, trusted by browsers %v", bundled(), trusted())
		}
	}
	for range 2 {
		checkOutcomes(t, s.Uninstall(t.Context(), ca), "/usr/local/share/ca-certificates/pgkeyless-ada.crt", db)
		if bundled() || trusted() {
			t.Errorf("uninstalled: in the system's bundle %v, trusted by browsers %v", bundled(), trusted())
		}
	}
	if left, _ := filepath.Glob(under("/etc/ssl/certs/*pgkeyless*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// What is run elsewhere.
func TestCommandsOfEachSystem(t *testing.T) {
	ca := newCA(t)
	for _, tt := range []struct {
		name, os, dir string // dir: what the system has
		superuser     bool
		has           string
		install       []string
		uninstall     []string
		err           string
	}{
		{name: "Debian, as a user", os: "linux", dir: "/usr/local/share/ca-certificates", has: "update-ca-certificates",
			install:   []string{"sudo -- install -m 0644 CA ROOT/usr/local/share/ca-certificates/pgkeyless-ada.crt", "sudo -- update-ca-certificates"},
			uninstall: []string{"sudo -- rm -f ROOT/usr/local/share/ca-certificates/pgkeyless-ada.crt", "sudo -- update-ca-certificates --fresh"}},
		{name: "Fedora, as root", os: "linux", dir: "/etc/pki/ca-trust/source/anchors", superuser: true, has: "update-ca-trust",
			install:   []string{"install -m 0644 CA ROOT/etc/pki/ca-trust/source/anchors/pgkeyless-ada.pem", "update-ca-trust extract"},
			uninstall: []string{"rm -f ROOT/etc/pki/ca-trust/source/anchors/pgkeyless-ada.pem", "update-ca-trust extract"}},
		{name: "macOS", os: "darwin",
			install:   []string{"security add-trusted-cert -r trustRoot -p ssl -k HOME/Library/Keychains/login.keychain-db CA"},
			uninstall: []string{"security remove-trusted-cert CA", "security delete-certificate -Z SHA1 HOME/Library/Keychains/login.keychain-db"}},
		{name: "Windows", os: "windows",
			install: []string{"certutil -user -f -addstore Root CA"}, uninstall: []string{"certutil -user -delstore Root abc"}},
		{name: "a system without its program", os: "linux", dir: "/usr/local/share/ca-certificates", err: "no trust store"},
		{name: "another system", os: "freebsd", has: "update-ca-certificates", err: "no trust store"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root, home := t.TempDir(), t.TempDir()
			if tt.dir != "" {
				makeDirs(t, filepath.Join(root, tt.dir))
			}
			var ran []string
			s := System{OS: tt.os, Root: root, Home: home, Superuser: tt.superuser, Has: func(name string) bool { return name == tt.has },
				Run: func(_ context.Context, name string, args ...string) error {
					line := strings.NewReplacer(ca.File, "CA", root, "ROOT", home, "HOME").Replace(filepath.ToSlash(strings.Join(append([]string{name}, args...), " ")))
					if fields := strings.Fields(line); slices.Contains(fields, "-Z") {
						fields[slices.Index(fields, "-Z")+1] = "SHA1"
						line = strings.Join(fields, " ")
					}
					ran = append(ran, line)
					if slices.Contains(args, "install") || name == "install" {
						return os.WriteFile(args[len(args)-1], nil, 0o600)
					}
					return nil
				}}
			for _, do := range []struct {
				outcomes []Outcome
				want     []string
			}{{s.Install(t.Context(), ca), tt.install}, {nil, tt.uninstall}} {
				if do.outcomes == nil {
					ran = nil
					do.outcomes = s.Uninstall(t.Context(), ca)
				}
				if err := do.outcomes[0].Err; tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
					t.Errorf("error %v, want %q", err, tt.err)
				}
				if !slices.Equal(ran, do.want) {
					t.Errorf("ran %q, want %q", ran, do.want)
				}
			}
		})
	}
}

func TestBrowsersWithoutCertutilAreTold(t *testing.T) {
	home := t.TempDir()
	db := filepath.Join(home, ".mozilla", "firefox", "abc.default")
	makeDirs(t, db)
	if err := os.WriteFile(filepath.Join(db, "cert9.db"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := System{OS: "linux", Root: t.TempDir(), Home: home, Has: func(string) bool { return false },
		Run: func(context.Context, string, ...string) error { t.Error("something was run"); return nil }}
	got := s.Install(t.Context(), newCA(t))
	if len(got) != 2 || !strings.Contains(got[1].Store, db) || !errors.Is(got[1].Err, errNoCertutil) {
		t.Errorf("outcomes %v, want the browser's store and what is missing", got)
	}
}
