//go:build unix

package cli

import (
	"bufio"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"github.com/pgkeyless/pgkeyless/internal/testenv"
)

// The test binary is the program itself when this variable is set.
const asProgram = "RUN_AS_PGKEYLESS"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Unsetenv(asProgram)
		Main("")
	}
	os.Exit(m.Run())
}

// A signal must end the program in its own way, SSM sessions and all, even when
// nobody reads its stderr any more.
func TestProcessEndsByRealSignals(t *testing.T) {
	testenv.Isolate(t)
	for _, tt := range []struct {
		name        string
		signal      os.Signal
		closeStderr bool
		code        int
	}{
		{"SIGTERM", syscall.SIGTERM, false, 143},
		{"SIGINT", os.Interrupt, false, 130},
		{"SIGHUP", syscall.SIGHUP, false, 129},
		{"SIGINT with stderr closed", os.Interrupt, true, 130},
	} {
		if tt.signal == syscall.SIGHUP && signal.Ignored(syscall.SIGHUP) {
			continue // nohup: the program is to ignore it as well
		}
		t.Run(tt.name, func(t *testing.T) {
			exe, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), exe, testenv.Orders, "--via", testenv.Jump, "-p", "0")
			cmd.Env = append(os.Environ(), asProgram+"=1")
			stderr, err := cmd.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(stderr)
			for ready := false; !ready; {
				if !lines.Scan() {
					t.Fatalf("stderr ended before the ready line: %v", lines.Err())
				}
				ready = strings.HasPrefix(lines.Text(), "  jdbc:")
			}
			if tt.closeStderr {
				stderr.Close()
			}
			if err := cmd.Process.Signal(tt.signal); err != nil {
				t.Fatal(err)
			}
			for !tt.closeStderr && lines.Scan() {
			}
			_ = cmd.Wait() // the code says it all
			if got := cmd.ProcessState.ExitCode(); got != tt.code {
				t.Errorf("ended with %v (code %d), want code %d", cmd.ProcessState, got, tt.code)
			}
		})
	}
}
