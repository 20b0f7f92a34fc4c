//go:build unix

package prompt

import (
	"os"
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
