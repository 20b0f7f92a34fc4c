package pgserver

import (
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// postmaster is the running server process.
type postmaster struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when the process is gone
	err   error         // how it ended; set before ended is closed
}

func startPostmaster(cmd *exec.Cmd) (*postmaster, error) {
	p := &postmaster{cmd: cmd, ended: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		// Linux kills the server when the thread that started it ends, so that
		// a test run that dies leaves no server: the thread waits here.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(p.ended)
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		<-p.ended
		return nil, fmt.Errorf("starting postgres: %w", err)
	}
	return p, nil
}

// stop asks for a fast shutdown, which ends sessions, then for less and less.
// It returns after the process has ended, with an error if it had to be forced.
func (p *postmaster) stop() error {
	for _, step := range []struct {
		signal syscall.Signal
		wait   time.Duration
	}{
		{syscall.SIGINT, time.Minute}, // which a busy machine may take
		{syscall.SIGQUIT, 30 * time.Second},
	} {
		p.cmd.Process.Signal(step.signal) // an error means that it has ended
		select {
		case <-p.ended:
			return nil
		case <-time.After(step.wait):
		}
	}
	p.cmd.Process.Kill()
	<-p.ended
	return errors.New("postgres had to be killed")
}
