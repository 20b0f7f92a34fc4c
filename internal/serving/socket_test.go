package serving

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/testenv"
)

// needsSockets skips where this program opens no Unix sockets.
func TestSocketIsPrivate(t *testing.T) {
	testenv.NeedsSockets(t)
	dir := filepath.Join(testenv.Isolate(t), "a")
	l, err := listenUnix(dir, 5432)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, ".s.PGSQL.5432")
	if got := l.Addr().String(); got != path {
		t.Errorf("socket at %s, want %s", got, path)
	}
	for name, want := range map[string]fs.FileMode{dir: 0o700, path: 0o600} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %v, want %v", name, got, want)
		}
	}
	l.Close()
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("after Close the socket is still there (%v)", err)
	}
}

func TestSocketDirAloneIsMade(t *testing.T) {
	testenv.NeedsSockets(t)
	parent := filepath.Join(testenv.Isolate(t), "a")
	_, err := listenUnix(filepath.Join(parent, "b"), 5432)
	if err == nil || err.Error() != "directory for the Unix socket: there is no "+parent+" to make b in" {
		t.Errorf("got %v, want the missing directory named", err)
	}
	if _, err := os.Lstat(parent); !os.IsNotExist(err) {
		t.Errorf("%s has been made (%v)", parent, err)
	}
	if err := os.WriteFile(parent, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := listenUnix(parent, 5432); err == nil || err.Error() != "directory for the Unix socket: "+parent+" is no directory" {
		t.Errorf("got %v of a file", err)
	}
}

func TestDeadSocketIsReplacedAndLiveOneKept(t *testing.T) {
	testenv.NeedsSockets(t)
	dir := testenv.Isolate(t)
	path := filepath.Join(dir, ".s.PGSQL.5432")
	dead, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	dead.(*net.UnixListener).SetUnlinkOnClose(false)
	dead.Close()
	live, err := listenUnix(dir, 5432)
	if err != nil {
		t.Fatalf("a dead socket is in the way: %v", err)
	}
	defer live.Close()
	_, err = listenUnix(dir, 5432)
	if err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("got %v for a live socket, want it left alone", err)
	}
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatalf("listener does not answer: %v", err)
	}
	c.Close()
}

func TestWhatIsNoSocketIsLeftAlone(t *testing.T) {
	testenv.NeedsSockets(t)
	dir := testenv.Isolate(t)
	path := filepath.Join(dir, ".s.PGSQL.5432")
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := listenUnix(dir, 5432); err == nil || !strings.Contains(err.Error(), "is not a socket") {
		t.Errorf("got %v, want the file named", err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "precious" {
		t.Errorf("file holds %q, %v", text, err)
	}
}

func TestSocketPathBound(t *testing.T) {
	testenv.NeedsSockets(t)
	dir := testenv.Isolate(t)
	fits := filepath.Join(dir, strings.Repeat("d", maxSocketPath-len(dir)-len("//.s.PGSQL.5432")))
	l, err := listenUnix(fits, 5432)
	if err != nil {
		t.Fatalf("path of %d bytes: %v", maxSocketPath, err)
	}
	l.Close()
	if _, err := listenUnix(fits, 15432); err == nil || !strings.Contains(err.Error(), "longer than 103 bytes") {
		t.Errorf("path of %d bytes: %v", maxSocketPath+1, err)
	}
}

// The default place is a convenience: where there is none, or it is taken, TCP
// still works. A directory that was asked for must work.
func TestOnlyAChosenSocketIsRequired(t *testing.T) {
	testenv.NeedsSockets(t)
	dir := testenv.Isolate(t)
	target := config.Target{Endpoint: testenv.Orders, Name: testenv.Orders, Options: config.Options{Address: "127.0.0.1"}}
	t.Setenv("XDG_RUNTIME_DIR", "")
	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv("HOME", "")
	p := new(ports)
	defer p.close()
	listeners, why, err := listen(t.Context(), target, "", p)
	if err != nil || why == nil || len(listeners) != 1 {
		t.Fatalf("without HOME: %d listeners, no socket because %v, error %v; want TCP alone and a reason", len(listeners), why, err)
	}

	target.UnixSocket = config.SocketNone
	listeners, why, err = listen(t.Context(), target, "", p)
	if err != nil || why != nil || len(listeners) != 1 {
		t.Fatalf("with none: %d listeners, %v, %v; want TCP alone", len(listeners), why, err)
	}

	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	target.UnixSocket = file
	if _, _, err = listen(t.Context(), target, "", p); err == nil || !strings.Contains(fmt.Sprint(err), "directory for the Unix socket") {
		t.Errorf("a file for a directory: %v", err)
	}
}

// In a directory for everybody, another user may have made a target's own one first.
func TestTargetsDirectoryOfAnotherUserIsRefused(t *testing.T) {
	testenv.NeedsSockets(t)
	if os.Geteuid() != 0 {
		t.Log("not tried: only root can give a directory to another user")
		return
	}
	dir := testenv.Isolate(t)
	target := config.Target{Endpoint: testenv.Orders, Name: "orders", Shared: true, Options: config.Options{UnixSocket: dir}}
	own := filepath.Join(dir, "orders")
	if err := errors.Join(os.Mkdir(own, 0o700), os.Chown(own, 65534, 65534)); err != nil {
		t.Fatal(err)
	}
	p := new(ports)
	defer p.close()
	if l, err := listenOwnSocket(target, 5432, p); l != nil || err == nil || !strings.Contains(err.Error(), "belongs to another user") {
		t.Errorf("%v, %v; want no socket there", l, err)
	}
}
