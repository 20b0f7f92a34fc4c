package proxy

import (
	"net"
	"os"
)

// ownProcess reports whether the other end of a Unix socket is this process.
func ownProcess(c net.Conn) bool {
	unix, ok := c.(*net.UnixConn)
	if !ok {
		return false
	}
	raw, err := unix.SyscallConn()
	if err != nil {
		return false
	}
	pid := 0
	if raw.Control(func(fd uintptr) { pid = peerPID(int(fd)) }) != nil {
		return false
	}
	return pid == os.Getpid()
}
