//go:build unix

package lab

import (
	"os"
	"syscall"
)

// lockFile waits until no other process has f locked, and locks it until f is closed.
func lockFile(f *os.File) error {
	for {
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != syscall.EINTR {
			return err
		}
	}
}
