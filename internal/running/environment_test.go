package running

import (
	"encoding/pem"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/environ"
	"github.com/pgkeyless/pgkeyless/internal/passfile"
	"github.com/pgkeyless/pgkeyless/internal/testenv"
)

func TestChildIsLedToThePlaceAlone(t *testing.T) {
	environ := []string{"PATH=/bin", "PGHOST=elsewhere", "PGSSLCERTMODE=require", "PGSSLCRL=/none", "PGSSLCRLDIR=/none", "PGTARGETSESSIONATTRS=standby", "PGSSLMINPROTOCOLVERSION=TLSv1.3", "PGREQUIREPEER=postgres", "PGHOSTADDR=192.0.2.1", "PGSERVICE=x", "PGPASSWORD=secret", "PGSSLMODE=verify-full", "PGUSER=ada", "PGOPTIONS=-c x=y", "DATABASE_URL=old"}
	for _, tt := range []struct {
		place Place
		want  []string
	}{
		{Place{Host: "127.0.0.1", Port: 6000}, []string{"PGUSER=ada", "PGHOST=127.0.0.1", "PGPORT=6000", "DATABASE_URL=postgresql://ada@127.0.0.1:6000/"}},
		{Place{Host: "::1", Port: 6000, User: "app", Database: "shop"}, []string{"PGHOST=::1", "PGPORT=6000", "PGUSER=app", "PGDATABASE=shop", "DATABASE_URL=postgresql://app@[::1]:6000/shop"}},
		{Place{Host: "/tmp/x", Port: 5432, User: "app"}, []string{"PGHOST=/tmp/x", "PGPORT=5432", "PGUSER=app", "DATABASE_URL=postgresql://app@/?host=%2Ftmp%2Fx&port=5432"}},
	} {
		got := ChildEnvironment(environ, tt.place)
		for _, want := range append(tt.want, "PATH=/bin", "PGOPTIONS=-c x=y") {
			if !slices.Contains(got, want) {
				t.Errorf("%+v: %q lacks %s", tt.place, got, want)
			}
		}
		for _, entry := range got {
			if name, value, _ := strings.Cut(entry, "="); slices.Contains(environ, entry) && slices.Contains(LibpqVariables, name) || value == "" {
				t.Errorf("%+v: %s is still there", tt.place, entry)
			}
		}
	}
}

// Whoever has put another socket in place of the proxy's must not get to see SQL. On a
// port, and where systemd's root has opened the socket, there is nothing to compare.
func TestChildAsksWhoseTheSocketIs(t *testing.T) {
	testenv.NeedsSockets(t)
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		place Place
		want  bool
	}{
		{Place{Host: "/run/user/1000/pgkeyless", Port: 5432}, true},
		{Place{Host: "/run/pgkeyless", Port: 5432, AnyPeer: true}, false},
		{Place{Host: "127.0.0.1", Port: 5432}, false},
	} {
		got := ChildEnvironment([]string{"PGREQUIREPEER=postgres"}, tt.place)
		if slices.Contains(got, "PGREQUIREPEER="+me.Username) != tt.want || slices.Contains(got, "PGREQUIREPEER=postgres") {
			t.Errorf("%+v: %q; want the user's name: %v", tt.place, got, tt.want)
		}
	}
}

// A client verifies the listener by its CA. What the user has set for other servers
// would make it refuse the listener, or is what Node.js reaches the Internet with.
func TestChildTrustsTheListener(t *testing.T) {
	dir := t.TempDir()
	bundle := func(name string, certificates ...string) string {
		path, content := filepath.Join(dir, name), "# a comment\n"
		for _, c := range certificates {
			content += string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte(c)}))
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	ca, rds, both := bundle("ca.pem", "ours"), bundle("rds.pem", "RDS"), bundle("both.pem", "RDS", "ours")
	for _, tt := range []struct {
		name       string
		place      Place
		environ    []string
		root, node string
	}{
		{"nothing set", Place{Host: "127.0.0.1", CA: ca}, nil, ca, ca},
		{"RDS's roots", Place{Host: "127.0.0.1", CA: ca}, []string{"PGSSLROOTCERT=" + rds}, ca, ca},
		{"both", Place{Host: "127.0.0.1", CA: ca}, []string{"PGSSLROOTCERT=" + both}, both, ca},
		{"a missing file", Place{Host: "127.0.0.1", CA: ca}, []string{"PGSSLROOTCERT=" + rds + "x"}, ca, ca},
		{"a company's CA", Place{Host: "127.0.0.1", CA: ca}, []string{"NODE_EXTRA_CA_CERTS=" + rds}, ca, rds},
		{"a Unix socket", Place{Host: "/tmp/x", CA: ca}, []string{"PGSSLROOTCERT=" + rds}, "", ""},
		{"an older proxy", Place{Host: "127.0.0.1"}, []string{"PGSSLROOTCERT=" + rds, "NODE_EXTRA_CA_CERTS=" + rds}, "", rds},
	} {
		got := ChildEnvironment(tt.environ, tt.place)
		if root, node := environ.LookUp(got, "PGSSLROOTCERT"), environ.LookUp(got, "NODE_EXTRA_CA_CERTS"); root != tt.root || node != tt.node {
			t.Errorf("%s: PGSSLROOTCERT=%s, NODE_EXTRA_CA_CERTS=%s; want %s, %s", tt.name, root, node, tt.root, tt.node)
		}
	}
}

// A password file that a proxy names takes the place of the user's own, and clients that
// read none have the password in their URL.
func TestChildKnowsTheLocalPassword(t *testing.T) {
	path := filepath.Join(t.TempDir(), "passwords")
	if err := passfile.Update(path, nil, nil); err != nil {
		t.Fatal(err)
	}
	words, _, err := passfile.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	p := Place{Host: "127.0.0.1", Port: 6000, User: "ada", PassFile: path}
	env := ChildEnvironment([]string{"PGPASSFILE=/theirs", "PGPASSWORD=theirs"}, p.WithPassword())
	if got := environ.LookUp(env, "PGPASSFILE"); got != path {
		t.Errorf("PGPASSFILE is %q", got)
	}
	if got, want := environ.LookUp(env, "DATABASE_URL"), "postgresql://ada:"+words.Reveal()+"@127.0.0.1:6000/"; got != want {
		t.Errorf("DATABASE_URL is %q, want %q", got, want)
	}
	if got := environ.LookUp(env, "PGREQUIREAUTH"); got != "scram-sha-256" {
		t.Errorf("PGREQUIREAUTH is %q", got)
	}
	if got := environ.LookUp(env, "PGPASSWORD"); got != "" {
		t.Errorf("PGPASSWORD is %q", got)
	}
	if got := p.URL(nil); strings.Contains(got, words.Reveal()) {
		t.Errorf("the password shows: %s", got)
	}
	s := Served{Address: "127.0.0.1:6000", Socket: "/run/pgkeyless/.s.PGSQL.6000", PassFile: path}
	if byTCP, bySocket := s.Place(config.Target{}, true), s.Place(config.Target{}, false); byTCP.PassFile != path || bySocket.PassFile != "" {
		t.Errorf("over TCP %+v, by the socket %+v", byTCP, bySocket)
	}
}

// Who must prove who they are to a proxy does so with what they have.
func TestChildProvesWhoItIs(t *testing.T) {
	theirs := []string{"PGPASSWORD=s3cret", "PGSSLCERT=/ada.pem", "PGSSLMODE=require", "PGHOST=elsewhere", "PGSERVICE=other"}
	for asks, want := range map[bool][]string{true: {"s3cret", "/ada.pem", "require"}, false: {"", "", ""}} {
		s := Served{Address: "127.0.0.1:6000", Asks: asks}
		env := ChildEnvironment(theirs, s.Place(config.Target{}, true))
		for i, name := range []string{"PGPASSWORD", "PGSSLCERT", "PGSSLMODE"} {
			if got := environ.LookUp(env, name); got != want[i] {
				t.Errorf("asks %v: %s is %q, want %q", asks, name, got, want[i])
			}
		}
		if host, service := environ.LookUp(env, "PGHOST"), environ.LookUp(env, "PGSERVICE"); host != "127.0.0.1" || service != "" {
			t.Errorf("asks %v: led to %q, service %q", asks, host, service)
		}
	}
}
