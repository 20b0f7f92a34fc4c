package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/internal/running"
	"github.com/pgkeyless/pgkeyless/internal/testenv"
)

func TestEnvOfATargetThatIsToBeServed(t *testing.T) {
	ca := filepath.Join(testenv.Isolate(t), "pgkeyless", "ca.pem")
	for _, name := range append(running.LibpqVariables, "NODE_EXTRA_CA_CERTS") {
		t.Setenv(name, "")
	}
	t.Setenv("PGSSLMODE", "verify-full")
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"all said", []string{testenv.Orders, "--via=none", "--user", "o'neil", "--dbname=my shop", "-p", "6000"}, `export PGHOST=127.0.0.1
export PGPORT=6000
export PGUSER='o'\''neil'
export PGDATABASE='my shop'
export DATABASE_URL=postgresql://o%27neil@127.0.0.1:6000/my%20shop
export PGSSLROOTCERT=` + ca + `
export NODE_EXTRA_CA_CERTS=` + ca + `
unset PGSSLMODE
`},
		{"nothing said", []string{testenv.Orders, "--via=none", "--shell", "fish"}, `set -gx PGHOST '127.0.0.1'
set -gx PGPORT '5432'
set -gx DATABASE_URL 'postgresql://127.0.0.1:5432/'
set -gx PGSSLROOTCERT '` + ca + `'
set -gx NODE_EXTRA_CA_CERTS '` + ca + `'
set -e PGSSLMODE
`},
		{"powershell", []string{testenv.Orders, "--via=none", "--user=o'neil", "--shell", "powershell"}, `$env:PGHOST = '127.0.0.1'
$env:PGPORT = '5432'
$env:PGUSER = 'o''neil'
$env:DATABASE_URL = 'postgresql://o%27neil@127.0.0.1:5432/'
$env:PGSSLROOTCERT = '` + ca + `'
$env:NODE_EXTRA_CA_CERTS = '` + ca + `'
Remove-Item Env:PGSSLMODE
`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			args := append([]string{"env"}, tt.args...)
			if runtime.GOOS == "windows" && tt.name == "all said" {
				args = append(args, "--shell=sh")
			}
			const yet = `pgkeyless: warning: no running pgkeyless serves "` + testenv.Orders + `" with these options yet` + "\n"
			if code, stdout, stderr := pgkeyless(t, args...); code != 0 || stderr != yet || stdout != tt.want {
				t.Errorf("code %d, stderr %q, want %q; stdout\n%swant\n%s", code, stderr, yet, stdout, tt.want)
			}
		})
	}
}

// A shell takes the lines for what was meant.
func TestEnvIsEvaluated(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no sh")
	}
	testenv.Isolate(t)
	_, stdout, _ := pgkeyless(t, "env", testenv.Orders, "--via=none", "--user", `a'b"c$d`, "--dbname", "x y\\z", "--shell=sh")
	out, err := exec.Command("sh", "-c", stdout+`printf '%s|%s' "$PGUSER" "$PGDATABASE"`).Output()
	if want := `a'b"c$d|x y\z`; err != nil || string(out) != want {
		t.Errorf("sh got %q (%v), want %q", out, err, want)
	}
}

func TestServiceFileKeepsTheRest(t *testing.T) {
	dir := testenv.Isolate(t)
	file, trust := filepath.Join(dir, "services"), "sslrootcert="+filepath.Join(dir, "pgkeyless", "ca.pem")+"\n"
	if err := os.WriteFile(file, []byte("[theirs]\nhost=x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PGSERVICEFILE", file)
	args := []string{"service-file", testenv.Orders + "?user=app_user&dbname=app&unix-socket=none", testenv.Billing + "?unix-socket=none", "--via=none"}
	code, stdout, stderr := pgkeyless(t, args...)
	got, err := os.ReadFile(file)
	sections := "[" + testenv.Orders + "]\nhost=127.0.0.1\nport=5432\nuser=app_user\ndbname=app\n" + trust + "[" + testenv.Billing + "]\nhost=127.0.0.1\nport=5433\n" + trust
	if code != 0 || stdout != "" || err != nil || !strings.HasPrefix(string(got), "[theirs]\nhost=x\n# pgkeyless: begin") || !strings.Contains(string(got), sections) {
		t.Fatalf("code %d, stdout %q, stderr %q, %v, file\n%s", code, stdout, stderr, err, got)
	}
	if want := file + " written\n  psql service=" + testenv.Orders + "\n  psql service=" + testenv.Billing + "\n"; stderr != want {
		t.Errorf("stderr %q, want %q", stderr, want)
	}
	if _, _, stderr := pgkeyless(t, args...); !strings.HasPrefix(stderr, file+" is up to date\n") {
		t.Errorf("a second time: %q", stderr)
	}
	if code, stdout, stderr := pgkeyless(t, append(args, "--stdout", "--file=/nonexistent/x")...); code != 0 || stderr != "" || !strings.Contains(stdout, sections) {
		t.Errorf("to stdout: code %d, stderr %q, %q", code, stderr, stdout)
	}
}

func TestServiceFileNamesTheSocket(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no Unix sockets on Windows")
	}
	dir := testenv.Isolate(t)
	_, stdout, _ := pgkeyless(t, "service-file", testenv.Orders, "--via=none", "--stdout")
	if want := "host=" + filepath.Join(dir, "pgkeyless") + "\nport=5432\n"; !strings.Contains(stdout, want) {
		t.Errorf("%q lacks %q", stdout, want)
	}
}

// A user without a place for state gets no CA, and no word of one: serve has it.
func TestEnvWithoutACA(t *testing.T) {
	dir := testenv.Isolate(t)
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_STATE_HOME", file)
	for _, args := range [][]string{{"env", "--shell=sh"}, {"service-file", "--stdout"}} {
		code, stdout, stderr := pgkeyless(t, append(args, testenv.Orders, "--via=none")...)
		if code != 0 || strings.Contains(strings.ToLower(stdout), "rootcert") || strings.Contains(stdout, "NODE_EXTRA") || strings.Contains(stderr, "CA") {
			t.Errorf("%s: code %d, %q, %q", args[0], code, stdout, stderr)
		}
	}
}
