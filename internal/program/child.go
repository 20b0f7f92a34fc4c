package program

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"github.com/pgkeyless/pgkeyless/internal/prompt"
)

// Ended is the end of a program that was run for the user, which pgkeyless
// ends with, too. It has said itself what there was to say.
type Ended struct{ status int }

func (e *Ended) Error() string { return fmt.Sprintf("the command ended with code %d", e.status) }

// Code is the exit code that a shell would report.
func (e *Ended) Code() int { return e.status }

// Run runs cmd in the foreground and waits for its end. It returns nil when cmd
// exits with 0, an *Ended when it ends otherwise, and another error when it does
// not start. The end of ctx kills it.
//
// Signals are passed on to it. An interrupt typed on a terminal is not: the
// terminal has sent it to both, and it is the child's to handle, as psql cancels
// a query with it.
func Run(ctx context.Context, cmd *exec.Cmd, signals <-chan os.Signal) error {
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	cancelled := ctx.Done()
	for {
		select {
		case err := <-ended:
			return childStatus(err, cmd.ProcessState)
		case s := <-signals:
			if s != os.Interrupt || !prompt.IsTerminal(cmd.Stdin) {
				_ = cmd.Process.Signal(s) // fails when it has ended meanwhile
			}
		case <-cancelled:
			_ = cmd.Process.Kill()
			cancelled = nil
		}
	}
}

// childStatus is what Wait has found.
func childStatus(err error, state *os.ProcessState) error {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &exit):
		return err
	}
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return &Ended{128 + int(status.Signal())}
	}
	return &Ended{state.ExitCode()}
}
