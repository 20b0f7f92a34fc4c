package proxy

import (
	"net"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// setSocket sets an option of a socket.
func setSocket(t *testing.T, s syscall.Conn, level, option, value int) {
	t.Helper()
	raw, err := s.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = unix.SetsockoptInt(int(fd), level, option, value) }); err != nil || failed != nil {
		t.Error(err, failed)
	}
}

// A database that sends its last rows and closes, while its client reads slowly, leaves
// bytes that the loop could not send yet. They are the client's, also where the relay looks
// out for a failover.
func TestLastBytesReachASlowClient(t *testing.T) {
	for name, looksOut := range map[string]bool{"does not look out": false, "looks out": true} {
		t.Run(name, func(t *testing.T) {
			rows := randomBytes(300 << 10) // no multiple of what a loop reads at once
			r, dial := loopback(t, true, func(c *databaseConn) {
				setSocket(t, c.NetConn().(*net.TCPConn), unix.IPPROTO_TCP, unix.TCP_CORK, 1) // rows and close_notify come at once
				c.Write(rows)
				c.CloseWrite()
				setSocket(t, c.NetConn().(*net.TCPConn), unix.IPPROTO_TCP, unix.TCP_CORK, 0)
				c.untilTerminate()
			})
			r.server.routes[0].Moves = looksOut
			setSocket(t, r.server.routes[0].Listen[0].(*net.TCPListener), unix.SOL_SOCKET, unix.SO_SNDBUF, 4096)
			c := dial()
			setSocket(t, c.Conn.(*net.TCPConn), unix.SOL_SOCKET, unix.SO_RCVBUF, 32768)
			c.expect(rows)
			c.expectEnd()
		})
	}
}
