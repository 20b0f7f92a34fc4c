package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/testenv"
)

func TestCASaysWhereItIsAndHowToUseIt(t *testing.T) {
	path := filepath.Join(testenv.Isolate(t), "pgkeyless", "ca.pem")
	code, stdout, stderr := pgkeyless(t, "ca")
	if code != 0 || stderr != "" || !strings.HasPrefix(stdout, path+"\n") {
		t.Fatalf("code %d, stderr %q, stdout\n%s", code, stderr, stdout)
	}
	for _, want := range []string{"PGSSLROOTCERT=" + path, "NODE_EXTRA_CA_CERTS=" + path, "sslrootcert=" + path,
		"SSL Mode=VerifyFull;Root Certificate=" + path, "pgkeyless ca install"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("lacks %q:\n%s", want, stdout)
		}
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if code, stdout, _ := pgkeyless(t, "ca", "path"); code != 0 || stdout != path+"\n" {
		t.Errorf("ca path: code %d, %q, want %s", code, stdout, path)
	}
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
		t.Errorf("another CA the second time (%v)", err)
	}
}

func TestCAThatCannotBeIsExplained(t *testing.T) {
	file := filepath.Join(testenv.Isolate(t), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_STATE_HOME", file)
	for _, args := range [][]string{{"ca"}, {"ca", "path"}, {"ca", "install"}} {
		code, stdout, stderr := pgkeyless(t, args...)
		if code != 1 || stdout != "" || !strings.HasPrefix(stderr, "pgkeyless: error: your CA: ") || !strings.Contains(stderr, "pgkeyless: hint: set XDG_STATE_HOME") {
			t.Errorf("%q: code %d, stdout %q, stderr %q", args, code, stdout, stderr)
		}
	}
}

func TestCAIsNotInstalledForRootBySudo(t *testing.T) {
	for _, tt := range []struct {
		sudo string
		euid int
		ok   bool
	}{{"ada", 0, false}, {"ada", 1000, true}, {"root", 0, true}, {"", 0, true}} {
		err := checkUser([]string{"SUDO_USER=" + tt.sudo}, tt.euid)
		if (err == nil) != tt.ok || err != nil && (!strings.Contains(err.Error(), "root's CA, not ada's") || !strings.Contains(causes.Hint(err), "without sudo")) {
			t.Errorf("%+v: %v", tt, err)
		}
	}
}

// Databases have names of two or three letters.
func TestShortTargetIsNoMistypedCA(t *testing.T) {
	testenv.Isolate(t)
	for _, name := range []string{"qa", "c1", "crm"} {
		if _, _, stderr := pgkeyless(t, name); strings.Contains(stderr, "unknown command") {
			t.Errorf("%s: %q", name, stderr)
		}
	}
}

// Who cannot have a CA is served as ever, and told so once.
func TestServeWithoutACAWarnsOnce(t *testing.T) {
	dir := testenv.Isolate(t)
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_STATE_HOME", file)
	s := start(t, testenv.Orders+"?via=none", "--port", "0", "--unix-socket", "none")
	told := s.readUntil("  jdbc:")
	if strings.Count(told, " warn ") != 1 || !strings.Contains(told, "clients cannot verify the certificate") || !strings.Contains(told, "XDG_STATE_HOME") {
		t.Errorf("told\n%swant one warning", told)
	}
	s.signals <- os.Interrupt
	s.readUntil("nothing: to the end")
	<-s.code
}
