package running

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/ownfile"
)

// SocketHint is what to do where a Unix socket cannot be.
const SocketHint = "choose another directory with --unix-socket, or none"

// defaultSocketDir is the directory for sockets that nobody chose: private to
// this user, and made if need be. One that is there already is never changed, and an
// error where it is not private. In a container without HOME there is none.
func defaultSocketDir() (string, error) {
	base := os.Getenv("XDG_RUNTIME_DIR")
	if !filepath.IsAbs(base) {
		var err error
		if base, err = os.UserCacheDir(); err != nil {
			return "", err
		}
	}
	dir := filepath.Join(base, "pgkeyless")
	if err := ownfile.PrivateDir(dir); err != nil {
		return "", err
	}
	return dir, nil
}

// SocketDir is the directory of t's Unix socket, which t must want, as an
// absolute path: psql takes a relative one for a host name.
func SocketDir(t config.Target) (string, error) {
	if t.UnixSocket == "" {
		return defaultSocketDir()
	}
	dir, err := filepath.Abs(t.UnixSocket)
	if err != nil {
		return "", causes.Misuse(fmt.Sprintf("unix-socket %s: %v", t.UnixSocket, err), SocketHint)
	}
	return dir, nil
}

// OwnSocketDir is the directory of the Unix socket of a target on a shared
// port: psql -h DIR/NAME.
func OwnSocketDir(t config.Target) (string, error) {
	dir, err := SocketDir(t)
	return filepath.Join(dir, t.Name), err
}

// SocketPath is where libpq looks for the socket of port in dir.
func SocketPath(dir string, port int) string {
	return filepath.Join(dir, ".s.PGSQL."+strconv.Itoa(port))
}
