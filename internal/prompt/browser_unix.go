//go:build unix

package prompt

import (
	"runtime"
	"syscall"
)

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
