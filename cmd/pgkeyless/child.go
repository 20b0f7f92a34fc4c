package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// childEnded is the end of a program that was run for the user, which pgkeyless
// ends with, too. It has said itself what there was to say.
type childEnded struct{ status int }

func (e *childEnded) Error() string { return fmt.Sprintf("the command ended with code %d", e.status) }

// code is the exit code that a shell would report.
func (e *childEnded) code() int { return e.status }

// runChild runs cmd in the foreground and returns nil when it exits with 0, and
// a *childEnded otherwise.
//
// Signals are passed on to it. An interrupt typed on a terminal is not: the
// terminal has sent it to both, and it is the child's to handle, as psql cancels
// a query with it.
func runChild(ctx context.Context, cmd *exec.Cmd, signals <-chan os.Signal) error {
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
			if s != os.Interrupt || !isTerminal(cmd.Stdin) {
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
		return &childEnded{128 + int(status.Signal())}
	}
	return &childEnded{state.ExitCode()}
}

// isTerminal reports whether in is a terminal or something like one.
func isTerminal(in any) bool {
	f, ok := in.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&fs.ModeCharDevice != 0
}

// libpqVariables are what would lead a libpq client elsewhere, or make it ask of
// pgkeyless what the database has been asked already: the certificate's name, a
// password, a way to authenticate.
var libpqVariables = []string{
	"PGHOST", "PGHOSTADDR", "PGPORT", "PGSERVICE", "PGSERVICEFILE", "PGPASSWORD", "PGPASSFILE", "PGREQUIREAUTH", "PGCHANNELBINDING",
	"PGSSLMODE", "PGREQUIRESSL", "PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY", "PGSSLNEGOTIATION", "PGGSSENCMODE", "DATABASE_URL",
}

// childEnvironment is environ for a program that connects to p.
func childEnvironment(environ []string, p place) []string {
	drop := map[string]bool{}
	for _, name := range libpqVariables {
		drop[name] = true
	}
	var kept []string
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		if !drop[name] {
			kept = append(kept, entry)
		}
	}
	for _, v := range p.variables(environ) {
		kept = append(kept, v.name+"="+v.value) // the last one of a name counts
	}
	return kept
}
