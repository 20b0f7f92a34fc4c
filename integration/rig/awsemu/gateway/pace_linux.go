package gateway

import (
	"syscall"
	"time"
)

// kernelSleep waits for d in the kernel, as agents in processes of their own do. Go's
// timers wait in epoll_wait, which counts whole milliseconds, and fire late where
// one process does much else: eight agents that share it would each lose a third
// of their pace.
func kernelSleep(d time.Duration) {
	left := syscall.NsecToTimespec(d.Nanoseconds())
	for syscall.Nanosleep(&left, &left) == syscall.EINTR {
	}
}
