package cli

import (
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/pgkeyless/pgkeyless/internal/testenv"
)

func TestSharedPortSaysHowToReachEach(t *testing.T) {
	dir := testenv.Isolate(t)
	s := start(t, "--via=none", "-p", "0", "--shared-port", "--dbname", "app", testenv.Orders+"?user=app_user&read-only=true", testenv.Billing)
	got := s.readUntil("  jdbc:") + s.readUntil("  jdbc:")
	m := regexp.MustCompile(`^Listening on 127\.0\.0\.1:(\d+) for ` + testenv.Orders + ", " + testenv.Billing + "\n").FindStringSubmatch(got)
	if m == nil {
		t.Fatalf("stderr %q does not begin with the shared listener", got)
	}
	port := m[1]
	for _, want := range []string{
		"  psql -h 127.0.0.1 -p " + port + " -U app_user@" + testenv.Orders + " app\n",
		"  postgresql://app_user%40" + testenv.Orders + "@127.0.0.1:" + port + "/app\n",
		"  jdbc:postgresql://127.0.0.1:" + port + "/app?user=app_user%40" + testenv.Orders + "\n",
		"  psql -h 127.0.0.1 -p " + port + " -U USER@" + testenv.Billing + " app\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("stderr\n%slacks %q", got, want)
		}
	}
	if !regexp.MustCompile(`(?m)^` + testenv.Orders + ` \(.*read.only.*\):$`).MatchString(got) {
		t.Errorf("stderr\n%sdoes not say that %s is guarded", got, testenv.Orders)
	}
	if runtime.GOOS != "windows" {
		checkAnswers(t, "unix", filepath.Join(dir, "pgkeyless", ".s.PGSQL."+port))
		checkAnswers(t, "unix", filepath.Join(dir, "pgkeyless", testenv.Billing, ".s.PGSQL."+port))
	}
	s.signals <- syscall.SIGTERM
	s.readUntil("nothing: to the end")
	if code := <-s.code; code != 143 {
		t.Errorf("code %d after SIGTERM, want 143", code)
	}
}

func TestPlacesOnASharedPort(t *testing.T) {
	dir := testenv.Isolate(t)
	_, stdout, _ := pgkeyless(t, "env", testenv.Orders, "--via=none", "--user=app_user", "--dbname=app", "--shared-port", "--shell=sh")
	for _, want := range []string{"export PGUSER=app_user@" + testenv.Orders + "\n", "export PGDATABASE=app\n"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("env: %q lacks %q", stdout, want)
		}
	}
	_, stdout, _ = pgkeyless(t, "env", testenv.Orders, "--via=none", "--shared-port", "--shell=sh")
	if want := "export PGDATABASE=@" + testenv.Orders + "\n"; !strings.Contains(stdout, want) {
		t.Errorf("env without a user: %q lacks %q", stdout, want)
	}
	_, stdout, _ = pgkeyless(t, "service-file", testenv.Orders, testenv.Billing, "--via=none", "--user=app_user", "--shared-port", "--stdout")
	want := "[" + testenv.Billing + "]\nhost=" + filepath.Join(dir, "pgkeyless", testenv.Billing) + "\nport=5432\nuser=app_user\n"
	if runtime.GOOS == "windows" {
		want = "[" + testenv.Billing + "]\nhost=127.0.0.1\nport=5432\nuser=app_user@" + testenv.Billing + "\n"
	}
	if !strings.Contains(stdout, want) {
		t.Errorf("service-file: %q lacks %q", stdout, want)
	}
}
