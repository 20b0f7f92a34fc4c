package rig

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// Shared is what all tests use and none changes: the binary, the keys, and the
// database that verifies tokens by them.
var Shared struct {
	Binary   string
	Keys     lab.Credentials
	Database *pgserver.Server
}

// buildLimit is more than it takes to compile pgkeyless with the race detector, and all that
// it imports, beside other compilers.
const buildLimit = 15 * time.Minute

// Main is the TestMain of a directory of e2e. It starts what is Shared, runs the
// tests and exits.
func Main(m *testing.M) { MainWith(m, nil) }

// MainWith is Main with a change to the shared database, which may be nil.
func MainWith(m *testing.M, tweak func(*pgserver.Config)) {
	code, err := setUpAndRun(m, tweak)
	if err != nil {
		fmt.Fprintln(os.Stderr, "rig:", err)
		code = 1
	}
	os.Exit(code)
}

func setUpAndRun(m *testing.M, tweak func(*pgserver.Config)) (code int, err error) {
	// Under nohup SIGHUP is ignored, by the programs that are started here too;
	// what is caught is not passed on.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	if _, err := exec.LookPath("psql"); err != nil {
		return 0, fmt.Errorf("%w: run scripts/install-deps", err)
	}
	dir, err := os.MkdirTemp("", "pgkeyless-it-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	building, built := context.WithTimeout(context.Background(), buildLimit)
	defer built()
	if Shared.Binary, err = lab.BuildProxy(building, dir); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	Shared.Keys = lab.NewCredentials()
	if Shared.Database, err = lab.StartDatabase(ctx, Shared.Keys, tweak); err != nil {
		return 0, err
	}
	defer Shared.Database.Close()
	return m.Run(), nil
}
