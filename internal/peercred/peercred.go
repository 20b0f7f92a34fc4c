// Package peercred asks the kernel which process is at the other end of a Unix socket.
package peercred

import "net"

// Process is that process. PID is 0 where the system tells the user alone.
type Process struct{ UID, PID int }

// Of finds it. ok is false for what is no Unix socket, and where Known is.
func Of(c net.Conn) (p Process, ok bool) {
	unix, ok := c.(*net.UnixConn)
	if !ok {
		return p, false
	}
	raw, err := unix.SyscallConn()
	if err != nil {
		return p, false
	}
	if raw.Control(func(fd uintptr) { p, ok = ask(int(fd)) }) != nil {
		return p, false
	}
	return p, ok
}
