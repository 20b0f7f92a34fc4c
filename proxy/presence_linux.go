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
	sock, ok := c.(syscall.Conn)
	if !ok {
		return present
	}
	raw, err := sock.SyscallConn()
	if err != nil {
		return gone
	}
	var events int16
	err = raw.Control(func(fd uintptr) {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		if n, err := unix.Poll(fds, 0); n > 0 && err == nil {
			events = fds[0].Revents
		}
	})
	switch {
	case err != nil, events&(unix.POLLERR|unix.POLLHUP|unix.POLLNVAL) != 0:
		return gone
	case events&unix.POLLRDHUP != 0:
		return sentAll
	}
	return present
}
