package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/internal/running"
	"github.com/pgkeyless/pgkeyless/internal/testenv"
)

func TestExecNeedsACommand(t *testing.T) {
	testenv.Isolate(t)
	for _, tt := range []struct{ args, want string }{
		{"exec " + testenv.Orders + " --via=none", "no command to run"},
		{"exec " + testenv.Orders + " --via=none -- /nonexistent/program", `no program "program" is found`},
		{"exec " + testenv.Orders + " " + testenv.Billing + " --via=none -- true", "2 targets given, but the command takes one"},
		{"exec -- true", "no target given"},
		{"connect " + testenv.Orders, "no jump host given"},
	} {
		code, stdout, stderr := pgkeyless(t, strings.Fields(tt.args)...)
		if code != 1 || stdout != "" || !strings.Contains(stderr, "pgkeyless: error: ") || !strings.Contains(stderr, tt.want) || !strings.Contains(stderr, "pgkeyless: hint: ") {
			t.Errorf("%s: code %d, stdout %q, stderr %q", tt.args, code, stdout, stderr)
		}
	}
}

// Commands without --unix-socket, or without a directory of this user's, say what
// to do instead.
func TestNoRoomForASocket(t *testing.T) {
	testenv.NeedsSockets(t)
	dir := testenv.Isolate(t)
	missing, long := filepath.Join(dir, "missing"), filepath.Join(dir, strings.Repeat("x", 100))
	if err := os.Mkdir(long, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ tmp, err string }{
		{missing, "directory for the Unix socket: "}, {long, "the path of the Unix socket, " + long},
	} {
		t.Setenv("TMPDIR", tt.tmp)
		code, _, stderr := pgkeyless(t, "connect", testenv.Orders, "--via", "none")
		if code != 1 || !strings.HasPrefix(stderr, "pgkeyless: error: "+tt.err) || !strings.Contains(stderr, "\npgkeyless: hint: set TMPDIR") {
			t.Errorf("TMPDIR=%s: code %d, %q", tt.tmp, code, stderr)
		}
	}
	t.Setenv("XDG_RUNTIME_DIR", "")
	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv("HOME", "")
	code, _, stderr := pgkeyless(t, "service-file", testenv.Orders, "--via", "none", "--stdout")
	if code != 1 || !strings.HasPrefix(stderr, "pgkeyless: error: directory for the Unix socket: ") || !strings.Contains(stderr, "\npgkeyless: hint: "+running.SocketHint) {
		t.Errorf("without a home: code %d, %q", code, stderr)
	}
}
