//go:build unix

package serving

import (
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/running"
	"github.com/pgkeyless/pgkeyless/internal/testenv"
)

// A `connect` that is killed cannot remove its directory: the next one does, and
// nothing else.
func TestDirectoriesOfKilledRunsAreRemoved(t *testing.T) {
	base := testenv.Isolate(t)
	now := time.Now().Add(time.Hour) // so that all of them are old
	socket := func(dir string, dead bool) {
		l, err := net.Listen("unix", running.SocketPath(dir, socketPort))
		if err != nil {
			t.Fatal(err)
		}
		if dead {
			l.(*net.UnixListener).SetUnlinkOnClose(false)
			l.Close()
			return
		}
		t.Cleanup(func() { l.Close() })
	}
	for _, tt := range []struct {
		name   string
		fill   func(dir string)
		kept   bool
		root   bool
		number string
	}{
		{name: "a socket of a dead process", fill: func(dir string) { socket(dir, true) }},
		{name: "nothing", fill: func(string) {}},
		{name: "a socket of a living process", fill: func(dir string) { socket(dir, false) }, kept: true},
		{name: "something else", fill: func(dir string) { testenv.Write(t, filepath.Join(dir, "notes"), "") }, kept: true},
		{name: "something beside the socket", fill: func(dir string) { socket(dir, true); testenv.Write(t, filepath.Join(dir, "notes"), "") }, kept: true},
		{name: "a file in place of the socket", fill: func(dir string) { testenv.Write(t, running.SocketPath(dir, socketPort), "") }, kept: true},
		{name: "another mode", fill: func(dir string) { os.Chmod(dir, 0o755) }, kept: true},
		{name: "another name", number: "checkout", fill: func(string) {}, kept: true},
		{name: "another user's", fill: func(dir string) { os.Chown(dir, 65534, 65534) }, kept: true, root: true},
	} {
		if tt.root && os.Geteuid() != 0 {
			t.Logf("%s: not tried: only root can give a directory away", tt.name)
			continue
		}
		if tt.number == "" {
			tt.number = "123456789"
		}
		dir := filepath.Join(base, privatePrefix+tt.number)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		tt.fill(dir)
		removeLeftBehind(base, now)
		if _, err := os.Lstat(dir); (err == nil) != tt.kept {
			t.Errorf("%s: %v, want it kept: %v", tt.name, err, tt.kept)
		}
		os.RemoveAll(dir)
	}

	young := filepath.Join(base, privatePrefix+"1")
	if err := os.Mkdir(young, 0o700); err != nil {
		t.Fatal(err)
	}
	removeLeftBehind(base, time.Now())
	if _, err := os.Lstat(young); err != nil {
		t.Errorf("one that was just made: %v, want it kept for its process", err)
	}
}

func TestNextRunCleansUp(t *testing.T) {
	base := testenv.Isolate(t)
	t.Setenv("TMPDIR", base)
	left := filepath.Join(base, privatePrefix+"1")
	if err := os.Mkdir(left, 0o700); err != nil {
		t.Fatal(err)
	}
	then := time.Now().Add(-time.Hour)
	if err := os.Chtimes(left, then, then); err != nil {
		t.Fatal(err)
	}
	l, _, cleanUp, err := privateListener(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	defer cleanUp()
	defer l.Close()
	if _, err := os.Lstat(left); !os.IsNotExist(err) {
		t.Errorf("what a killed run has left is still there (%v)", err)
	}
}
