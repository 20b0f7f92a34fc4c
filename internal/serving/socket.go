package serving

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/ownfile"
	"github.com/pgkeyless/pgkeyless/internal/running"
)

// maxSocketPath is the longest path that every system takes: macOS has room for
// 104 bytes with the closing NUL, Linux for 108.
const maxSocketPath = 103

// listenUnix opens the socket that psql -h dir -p port looks for, for this user
// alone. It makes dir if need be, but not the directory around it, which is more
// likely mistyped. A socket that a dead process has left there is removed, one
// that is answered never.
func listenUnix(dir string, port int) (net.Listener, error) {
	if runtime.GOOS == "windows" {
		return nil, causes.Misuse("Unix sockets are not supported on Windows", "leave --unix-socket and --port none out")
	}
	path := running.SocketPath(dir, port)
	if len(path) > maxSocketPath {
		return nil, causes.Misuse(fmt.Sprintf("the path of the Unix socket, %s, is longer than %d bytes", path, maxSocketPath), "choose a shorter directory with --unix-socket, or none")
	}
	if err := makeSocketDir(dir); err != nil {
		return nil, err
	}
	if err := removeStale(path); err != nil {
		return nil, err
	}
	l, err := ownfile.Listen(path)
	if err != nil {
		return nil, causes.Misuse(fmt.Sprintf("Unix socket %s: %v", path, cause(err)), running.SocketHint)
	}
	return l, nil
}

func makeSocketDir(dir string) error {
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrExist) {
		if info, statErr := os.Stat(dir); statErr == nil && info.IsDir() {
			return nil
		}
		return causes.Misuse("directory for the Unix socket: "+dir+" is no directory", running.SocketHint)
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return causes.Misuse(fmt.Sprintf("directory for the Unix socket: there is no %s to make %s in", filepath.Dir(dir), filepath.Base(dir)),
			"make it first, or "+running.SocketHint)
	}
	return causes.Misuse(fmt.Sprintf("directory for the Unix socket: %v", err), running.SocketHint)
}

// removeStale removes the socket at path when nobody listens on it. Only a
// refused connection proves that: any other answer leaves it where it is.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return causes.Misuse(fmt.Sprintf("Unix socket: %v", err), running.SocketHint)
	}
	if info.Mode().Type() != fs.ModeSocket {
		return causes.Misuse(path+" exists where the Unix socket should be, and is not a socket", "remove it, or "+running.SocketHint)
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		conn.Close()
	}
	switch {
	case errors.Is(err, fs.ErrNotExist): // gone meanwhile
		return nil
	case !errors.Is(err, syscall.ECONNREFUSED):
		return causes.Misuse("the Unix socket "+path+" is in use by another process", running.SocketHint)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return causes.Misuse(fmt.Sprintf("left-over Unix socket: %v", err), running.SocketHint)
	}
	return nil
}

// cause is the system's own word inside a *net.OpError, whose text repeats the
// address.
func cause(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err
	}
	return err
}
