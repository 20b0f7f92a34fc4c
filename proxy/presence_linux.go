package proxy

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// presenceOf asks the socket c, whose unread bytes stay where they are. Of a
// conn that is no socket nothing is known.
//
// Source: poll(2); a FIN is reported at once, however much is unread before it.
func presenceOf(c net.Conn) presence {
	events, ok := poll(c, unix.POLLRDHUP)
	switch {
	case !ok:
		return present
	case events&(unix.POLLERR|unix.POLLHUP|unix.POLLNVAL) != 0:
		return gone
	case events&unix.POLLRDHUP != 0:
		return sentAll
	}
	return present
}

// readable says that the socket c has bytes to read, or its end.
func readable(c net.Conn) bool {
	events, ok := poll(c, unix.POLLIN)
	return ok && events != 0
}

// poll asks the socket c for events, and does not wait. One that cannot be asked any
// more is invalid. ok is false where c is no socket.
func poll(c net.Conn, wanted int16) (events int16, ok bool) {
	sock, ok := c.(syscall.Conn)
	if !ok {
		return 0, false
	}
	raw, err := sock.SyscallConn()
	if err != nil {
		return unix.POLLNVAL, true
	}
	err = raw.Control(func(fd uintptr) {
		fds := []unix.PollFd{{Fd: int32(fd), Events: wanted}}
		if n, err := unix.Poll(fds, 0); n > 0 && err == nil {
			events = fds[0].Revents
		}
	})
	if err != nil {
		return unix.POLLNVAL, true
	}
	return events, true
}
