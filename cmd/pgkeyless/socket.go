package main

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

	"github.com/pgkeyless/pgkeyless/internal/config"
)

// maxSocketPath is the longest path that every system takes: macOS has room for
// 104 bytes with the closing NUL, Linux for 108.
const maxSocketPath = 103

const socketHint = "choose another directory with --unix-socket, or none"

// defaultSocketDir is the directory for sockets that nobody chose: private to
// this user, and made if need be. In a container without HOME there is none.
func defaultSocketDir() (string, error) {
	base := os.Getenv("XDG_RUNTIME_DIR")
	if !filepath.IsAbs(base) {
		var err error
		if base, err = os.UserCacheDir(); err != nil {
			return "", err
		}
	}
	dir := filepath.Join(base, "pgkeyless")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	// It may be older and open to others.
	if err := os.Chmod(dir, 0o700); err != nil {
		return "", err
	}
	return dir, nil
}

// socketDir is the directory of t's Unix socket, which t must want, as an
// absolute path: psql takes a relative one for a host name.
func socketDir(t config.Target) (string, error) {
	if t.UnixSocket == "" {
		return defaultSocketDir()
	}
	dir, err := filepath.Abs(t.UnixSocket)
	if err != nil {
		return "", &usageError{fmt.Sprintf("unix-socket %s: %v", t.UnixSocket, err), socketHint}
	}
	return dir, nil
}

// listenUnix opens the socket that psql -h dir -p port looks for, for this user
// alone. It makes dir if need be, but not the directory around it, which is more
// likely mistyped. A socket that a dead process has left there is removed, one
// that is answered never.
func listenUnix(dir string, port int) (net.Listener, error) {
	if runtime.GOOS == "windows" {
		return nil, &usageError{"Unix sockets are not supported on Windows", "leave --unix-socket out"}
	}
	path := socketPath(dir, port)
	if len(path) > maxSocketPath {
		return nil, &usageError{fmt.Sprintf("the path of the Unix socket, %s, is longer than %d bytes", path, maxSocketPath), "choose a shorter directory with --unix-socket, or none"}
	}
	if err := makeSocketDir(dir); err != nil {
		return nil, err
	}
	if err := removeStale(path); err != nil {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, &usageError{fmt.Sprintf("Unix socket %s: %v", path, cause(err)), socketHint}
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, &usageError{fmt.Sprintf("Unix socket: %v", err), socketHint}
	}
	return l, nil
}

func makeSocketDir(dir string) error {
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrExist) {
		if info, statErr := os.Stat(dir); statErr == nil && info.IsDir() {
			return nil
		}
		return &usageError{"directory for the Unix socket: " + dir + " is no directory", socketHint}
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return &usageError{fmt.Sprintf("directory for the Unix socket: there is no %s to make %s in", filepath.Dir(dir), filepath.Base(dir)),
			"make it first, or " + socketHint}
	}
	return &usageError{fmt.Sprintf("directory for the Unix socket: %v", err), socketHint}
}

// removeStale removes the socket at path when nobody listens on it. Only a
// refused connection proves that: any other answer leaves it where it is.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return &usageError{fmt.Sprintf("Unix socket: %v", err), socketHint}
	}
	if info.Mode().Type() != fs.ModeSocket {
		return &usageError{path + " is in the way of the Unix socket, and no socket", "remove it, or " + socketHint}
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		conn.Close()
	}
	switch {
	case errors.Is(err, fs.ErrNotExist): // gone meanwhile
		return nil
	case !errors.Is(err, syscall.ECONNREFUSED):
		return &usageError{"the Unix socket " + path + " is in use by another process", socketHint}
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &usageError{fmt.Sprintf("left-over Unix socket: %v", err), socketHint}
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
