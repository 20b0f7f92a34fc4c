//go:build unix

package prompt

import (
	"os"
	"os/signal"
	"runtime"
	"syscall"
)

// unstopped lets a read of the terminal fail in the background, where it would
// stop the process. The function it returns undoes that.
func unstopped() (undo func()) {
	signal.Ignore(syscall.SIGTTIN)
	return func() { signal.Reset(syscall.SIGTTIN) }
}

// openTerminal opens the process's terminal.
func openTerminal() (in, out *os.File, err error) {
	f, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, nil, err
	}
	out, err = os.OpenFile("/dev/tty", os.O_WRONLY, 0)
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, out, nil
}

// apart starts a program in a session of its own: what is typed on our terminal,
// and its end, are nothing to it.
func apart() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// browserCommand opens the URL that is appended to it.
func browserCommand() []string {
	if runtime.GOOS == "darwin" {
		return []string{"open"}
	}
	return []string{"xdg-open"}
}
