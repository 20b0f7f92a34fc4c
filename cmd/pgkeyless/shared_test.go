package main

import (
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/pgkeyless/pgkeyless/internal/config"
)

func TestSharedPortSaysHowToReachEach(t *testing.T) {
	dir := isolate(t)
	s := start(t, "--via=none", "-p", "0", "--shared-port", "--dbname", "app", orders+"?user=app_user&read-only=true", billing)
	got := s.readUntil("  jdbc:") + s.readUntil("  jdbc:")
	m := regexp.MustCompile(`^Listening on 127\.0\.0\.1:(\d+) for ` + orders + ", " + billing + "\n").FindStringSubmatch(got)
	if m == nil {
		t.Fatalf("stderr %q does not begin with the shared listener", got)
	}
	port := m[1]
	for _, want := range []string{
		"  psql -h 127.0.0.1 -p " + port + " -U app_user@" + orders + " app\n",
		"  postgresql://app_user%40" + orders + "@127.0.0.1:" + port + "/app\n",
		"  jdbc:postgresql://127.0.0.1:" + port + "/app?user=app_user%40" + orders + "\n",
		"  psql -h 127.0.0.1 -p " + port + " -U USER@" + billing + " app\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("stderr\n%slacks %q", got, want)
		}
	}
	if !regexp.MustCompile(`(?m)^` + orders + ` \(.*read.only.*\):$`).MatchString(got) {
		t.Errorf("stderr\n%sdoes not say that %s is guarded", got, orders)
	}
	if runtime.GOOS != "windows" {
		checkAnswers(t, "unix", filepath.Join(dir, "pgkeyless", ".s.PGSQL."+port))
		checkAnswers(t, "unix", filepath.Join(dir, "pgkeyless", billing, ".s.PGSQL."+port))
	}
	s.signals <- syscall.SIGTERM
	s.readUntil("nothing: to the end")
	if code := <-s.code; code != 143 {
		t.Errorf("code %d after SIGTERM, want 143", code)
	}
}

func TestAliasesAreClear(t *testing.T) {
	target := func(name, endpoint string) config.Target { return config.Target{Name: name, Endpoint: endpoint} }
	got := aliases([]config.Target{
		target("orders", "a.x.eu-central-1.rds.amazonaws.com:5433"),
		target("b.x.eu-central-1.rds.amazonaws.com", "b.x.eu-central-1.rds.amazonaws.com"),
		target("c.x.eu-central-1.rds.amazonaws.com", "c.x.eu-central-1.rds.amazonaws.com"),
		target("c.y.eu-central-1.rds.amazonaws.com", "C.y.eu-central-1.rds.amazonaws.com"),
		target("by-name", ""),
		target("x", "orders.z.eu-central-1.rds.amazonaws.com"),
	})
	want := [][]string{
		{"a.x.eu-central-1.rds.amazonaws.com", "a"},
		{"b"},
		nil, // c may be either
		nil,
		nil,
		{"orders.z.eu-central-1.rds.amazonaws.com"}, // orders is another target's name
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestPlacesOnASharedPort(t *testing.T) {
	dir := isolate(t)
	_, stdout, _ := pgkeyless(t, "env", orders, "--via=none", "--user=app_user", "--dbname=app", "--shared-port", "--shell=sh")
	for _, want := range []string{"export PGUSER=app_user@" + orders + "\n", "export PGDATABASE=app\n"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("env: %q lacks %q", stdout, want)
		}
	}
	_, stdout, _ = pgkeyless(t, "env", orders, "--via=none", "--shared-port", "--shell=sh")
	if want := "export PGDATABASE=@" + orders + "\n"; !strings.Contains(stdout, want) {
		t.Errorf("env without a user: %q lacks %q", stdout, want)
	}
	_, stdout, _ = pgkeyless(t, "service-file", orders, billing, "--via=none", "--user=app_user", "--shared-port", "--stdout")
	want := "[" + billing + "]\nhost=" + filepath.Join(dir, "pgkeyless", billing) + "\nport=5432\nuser=app_user\n"
	if runtime.GOOS == "windows" {
		want = "[" + billing + "]\nhost=127.0.0.1\nport=5432\nuser=app_user@" + billing + "\n"
	}
	if !strings.Contains(stdout, want) {
		t.Errorf("service-file: %q lacks %q", stdout, want)
	}
}
