package serving

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/ownfile"
	"github.com/pgkeyless/pgkeyless/internal/running"
)

// privatePrefix begins the names of directories for one program's socket, with a
// number behind it.
const privatePrefix = "pgkeyless-"

// leftAlone is how long such a directory is nobody's business but that of the process
// that is about to use it.
const leftAlone = time.Minute

// removeLeftBehind removes what runs that were killed have left in dir: directories of
// this user, made for one program's socket, in which nobody answers and which hold
// nothing else. What cannot be judged stays.
func removeLeftBehind(dir string, now time.Time) {
	found, _ := filepath.Glob(filepath.Join(dir, privatePrefix+"*"))
	for _, path := range found {
		number := strings.TrimPrefix(filepath.Base(path), privatePrefix)
		if number == "" || strings.Trim(number, "0123456789") != "" {
			continue
		}
		info, err := os.Lstat(path)
		if err != nil || info.Mode() != fs.ModeDir|0o700 || !ownfile.Is(info, 0o077) || now.Sub(info.ModTime()) < leftAlone {
			continue
		}
		socket := running.SocketPath(path, socketPort)
		if abandoned(socket) {
			os.Remove(socket)
		}
		os.Remove(path) // unless there is something in it
	}
}

// abandoned reports whether path is a socket on which nobody listens.
func abandoned(path string) bool {
	info, err := os.Lstat(path)
	if err != nil || info.Mode().Type() != fs.ModeSocket {
		return false
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		conn.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}
