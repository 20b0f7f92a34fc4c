package commands

import (
	"context"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

func TestMistakesGetOneErrorLineAndOneHint(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	noPEM := filepath.Join(t.TempDir(), "no.pem")
	if err := os.WriteFile(noPEM, []byte("not a certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		args []string
		want string // in the error line
	}{
		{"no target", []string{"serve"}, "target"},
		{"unknown flag", []string{"serve", lab.Host, "--vai", "none"}, "vai"},
		{"unknown option", []string{lab.Host + "?vai=none"}, "vai"},
		{"no via", []string{lab.Host}, "no jump host"},
		{"bad via", []string{lab.Host + "?via=bastion"}, "bastion"},
		{"bad port", []string{lab.Host + "?via=none&port=many"}, "many"},
		{"port in use", []string{lab.Host + "?via=none", "--unix-socket", "none", "--port", port}, port},
		{"no CA file", []string{lab.Host + "?via=none&ca-file=/nonexistent/ca.pem"}, "/nonexistent/ca.pem"},
		{"CA file without certificates", []string{lab.Host + "?via=none&ca-file=" + noPEM}, noPEM},
		{"no region in the name", []string{"db.internal?via=none&ca-file=/nonexistent/ca.pem"}, "region"},
		{"MySQL port as a target of two names", []string{"a b"}, "a b"},
		{"token without a target", []string{"token"}, "target"},
		{"token without a user", []string{"token", lab.Host}, "user"},
		{"token of a user with a password", []string{"token", lab.Host + "?secret=orders/app&user=app"}, "logs in with the password in secret orders/app"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			stdout, stderr, code := rig.Run(t, rig.Shared.Keys.Env("http://127.0.0.1:1"), test.args...)
			if code != 1 || stdout != "" {
				t.Errorf("exit code %d, stdout %q, want 1 and nothing", code, stdout)
			}
			lines := strings.Split(strings.TrimSpace(stderr), "\n")
			if len(lines) != 2 || !strings.HasPrefix(lines[0], "pgkeyless: error: ") || !strings.HasPrefix(lines[1], "pgkeyless: hint: ") {
				t.Fatalf("stderr is not one error line and one hint:\n%s", stderr)
			}
			if !strings.Contains(lines[0], test.want) {
				t.Errorf("error %q lacks %q", lines[0], test.want)
			}
		})
	}
}

// TestToken gives psql the printed token as a password for the database itself.
func TestToken(t *testing.T) {
	stdout, stderr, code := rig.Run(t, rig.Shared.Keys.Env("http://127.0.0.1:1"), "token", lab.Host+"?user="+pgserver.AppUser)
	if code != 0 || stderr != "" {
		t.Fatalf("exit code %d, stderr %q", code, stderr)
	}
	rig.CheckToken(t, strings.TrimSuffix(stdout, "\n"))
}

func TestVersionAndCompletion(t *testing.T) {
	for _, args := range [][]string{{"version"}, {"--version"}, {"-v"}} {
		if stdout, stderr, code := rig.Run(t, nil, args...); code != 0 || !strings.HasPrefix(stdout, "pgkeyless ") || stderr != "" {
			t.Errorf("%v: %q, %q, %d", args, stdout, stderr, code)
		}
	}
	stdout, stderr, code := rig.Run(t, nil, "completion", "bash")
	if code != 0 || stderr != "" {
		t.Fatalf("completion: %d, %q", code, stderr)
	}
	bash := exec.Command("bash", "-n")
	bash.Stdin = strings.NewReader(stdout)
	if out, err := bash.CombinedOutput(); err != nil {
		t.Errorf("the completion script: %v\n%s", err, out)
	}
}

// TestPastedLinesWork runs the psql line and the URL that are printed at start.
func TestPastedLinesWork(t *testing.T) {
	w := rig.Start(t, rig.Setup{Options: []string{"user=" + pgserver.AppUser, "dbname=" + pgserver.Database}})
	ctx, cancel := context.WithTimeout(t.Context(), 3*rig.Limit)
	defer cancel()
	printed := func(start string) string {
		line := w.AwaitLine(start)
		return line[strings.Index(line, start):]
	}
	line, url := printed("psql -h"), printed("postgresql://")
	printed("jdbc:postgresql://")
	if out, errs, err := rig.Psql(t, url, "-c", rig.WhoAmI); err != nil || out != rig.ItsMe {
		t.Errorf("%s: %q, %v\n%s", url, out, err, errs)
	}
	cmd := exec.CommandContext(ctx, "sh", "-c", line+" -XAtwc '"+rig.WhoAmI+"'")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "PGPASSFILE=/nonexistent"}
	if out, err := cmd.CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != rig.ItsMe {
		t.Errorf("%s: %q, %v", line, out, err)
	}
}

func TestSeveralTargetsCountPortsUp(t *testing.T) {
	first, second := freeNeighbours(t)
	w := rig.Start(t, rig.Setup{
		Args: []string{lab.TargetArg(rig.Shared.Database.CAFile()), "invoices.c9akciq32abc.eu-central-1.rds.amazonaws.com?via=none"},
		Port: first,
	})
	got := w.Proxy.Addresses()
	if len(got) != 2 || got[0] != "127.0.0.1:"+first || got[1] != "127.0.0.1:"+second {
		t.Errorf("listening on %q, want ports %s and %s", got, first, second)
	}
	if got := w.Query("", rig.WhoAmI); got != rig.ItsMe {
		t.Errorf("got %q, want %q", got, rig.ItsMe)
	}
}

// freeNeighbours finds two free ports in a row, below those that systems give to
// who asks for any: nobody is given them before they are used.
func freeNeighbours(t *testing.T) (first, second string) {
	t.Helper()
	free := func(port string) bool {
		l, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err == nil {
			l.Close()
		}
		return err == nil
	}
	for range 100 {
		port := 20000 + rand.N(10000)
		if first, second = strconv.Itoa(port), strconv.Itoa(port+1); free(first) && free(second) {
			return first, second
		}
	}
	t.Fatal("no two free ports in a row")
	return "", ""
}
