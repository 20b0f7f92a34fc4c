package integration

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

// shared is what all tests use and none changes: the binary, the keys, and the
// database that verifies tokens by them.
var shared struct {
	binary   string
	keys     lab.Credentials
	database *pgserver.Server
}

func TestMain(m *testing.M) {
	code, err := setUpAndRun(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "integration:", err)
		code = 1
	}
	os.Exit(code)
}

func setUpAndRun(m *testing.M) (code int, err error) {
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
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if shared.binary, err = lab.BuildProxy(ctx, dir); err != nil {
		return 0, err
	}
	shared.keys = lab.NewCredentials()
	if shared.database, err = lab.StartDatabase(ctx, shared.keys, nil); err != nil {
		return 0, err
	}
	defer shared.database.Close()
	return m.Run(), nil
}
