//go:build unix

package prompt

import (
	"os"
	"os/signal"
	"syscall"
)

// HasTerminal says whether there is a controlling terminal. A process keeps none
// when its terminal hangs up.
//
// Source: POSIX.1-2024, General Terminal Interface, "Modem Disconnect", and
// /dev/tty in its chapter on devices.
func HasTerminal() bool {
	f, err := os.OpenFile("/dev/tty", os.O_RDONLY|syscall.O_NOCTTY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	f.Close()
	return true
}

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
