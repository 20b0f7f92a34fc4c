package pgserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// NotInstalledError says that no PostgreSQL server was found.
type NotInstalledError struct {
	Looked []string // directories without a usable postgres and initdb
}

func (e *NotInstalledError) Error() string {
	return "no PostgreSQL server found (postgres and initdb; looked in " + strings.Join(e.Looked, ", ") + ")"
}

// Hint says what to install.
func (e *NotInstalledError) Hint() string {
	return "run scripts/install-deps, or install the server by hand: `apt-get install postgresql` on Debian and Ubuntu, `brew install postgresql` on macOS"
}

// binaries is a directory with postgres and initdb in it, and their version.
type binaries struct {
	dir          string
	version      string // as "15.18 (Debian 15.18-0+deb12u1)"
	major, minor int
}

// findBinaries takes only, or the newest PostgreSQL on this machine if only is
// empty.
func findBinaries(ctx context.Context, only string) (binaries, error) {
	candidates := []string{only}
	if only == "" {
		candidates = binDirs(ctx)
	}
	var newest binaries
	for _, dir := range candidates {
		b, err := inspect(ctx, dir)
		if err == nil && (newest.dir == "" || b.newerThan(newest)) {
			newest = b
		}
	}
	if err := ctx.Err(); err != nil {
		return binaries{}, context.Cause(ctx)
	}
	if newest.dir == "" {
		return binaries{}, &NotInstalledError{Looked: candidates}
	}
	return newest, nil
}

// binDirs is where servers are known to live: what pg_config says (which may
// come with the client library alone), the packages of Debian, Red Hat and
// Homebrew, and PATH.
func binDirs(ctx context.Context) []string {
	var dirs []string
	if out, err := exec.CommandContext(ctx, "pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin",
		"/usr/pgsql-*/bin",
		"/opt/homebrew/opt/postgresql*/bin",
		"/usr/local/opt/postgresql*/bin",
	} {
		found, _ := filepath.Glob(pattern) // fails only for a malformed pattern
		dirs = append(dirs, found...)
	}
	return append(dirs, filepath.SplitList(os.Getenv("PATH"))...)
}

var versionLine = regexp.MustCompile(`^postgres \(PostgreSQL\) ((\d+)(?:\.(\d+))?.*)`)

// inspect asks the postgres in dir for its version.
func inspect(ctx context.Context, dir string) (binaries, error) {
	postgres := filepath.Join(dir, "postgres")
	if real, err := filepath.EvalSymlinks(postgres); err == nil {
		postgres = real // a link in PATH finds its neighbours and libraries from where it leads
	}
	dir = filepath.Dir(postgres)
	if _, err := exec.LookPath(filepath.Join(dir, "initdb")); err != nil {
		return binaries{}, err
	}
	out, err := exec.CommandContext(ctx, postgres, "--version").Output()
	if err != nil {
		return binaries{}, fmt.Errorf("asking %s for its version: %w", postgres, err)
	}
	m := versionLine.FindStringSubmatch(string(out))
	if m == nil {
		return binaries{}, errors.New(postgres + " is not a PostgreSQL server")
	}
	b := binaries{dir: dir, version: m[1]}
	b.major, _ = strconv.Atoi(m[2])
	b.minor, _ = strconv.Atoi(m[3]) // none in "18beta1": zero
	return b, nil
}

func (b binaries) newerThan(other binaries) bool {
	if b.major != other.major {
		return b.major > other.major
	}
	return b.minor > other.minor
}
