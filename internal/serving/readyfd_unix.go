//go:build unix

package serving

import (
	"os"
	"syscall"
)

// closeOnExec keeps f from the programs that this process starts.
func closeOnExec(f *os.File) {
	if raw, err := f.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { syscall.CloseOnExec(int(fd)) })
	}
}
