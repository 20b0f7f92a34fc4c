package eventloop

import (
	"io"
	"net"
	"os"
	"syscall"
	"time"
	"unsafe"
)

// stream is what a *net.TCPConn and a *net.UnixConn are at first, and an
// *os.File after a relay.
type stream interface {
	io.ReadWriteCloser
	syscall.Conn
	SetDeadline(time.Time) error
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

// socket is a net.Conn that a loop can take over and give back. While a loop has
// it, its methods are for the loop's goroutine only.
type socket struct {
	stream
	local, remote net.Addr

	taken  bool   // a loop has it, and it is fd
	fd     int    // non-blocking, in no poller of Go's
	feed   []byte // received for TLS to read; the loop's memory
	ended  bool   // there will be no more to feed
	unsent []byte // goes out before everything else
	spare  *spares
}

// Wrap returns a conn that Relay can take over, where c is a TCP or Unix socket,
// and c itself elsewhere.
func Wrap(c net.Conn) net.Conn {
	switch s := c.(type) {
	case *net.TCPConn:
		return &socket{stream: s, local: c.LocalAddr(), remote: c.RemoteAddr()}
	case *net.UnixConn:
		return &socket{stream: s, local: c.LocalAddr(), remote: c.RemoteAddr()}
	}
	return c
}

func (s *socket) LocalAddr() net.Addr  { return s.local }
func (s *socket) RemoteAddr() net.Addr { return s.remote }

// again says that there is nothing to read now. It is a net.Error with Temporary,
// which crypto/tls does not remember.
type again struct{}

func (again) Error() string   { return "nothing to read now" }
func (again) Timeout() bool   { return true }
func (again) Temporary() bool { return true }

// Read reads as any conn does; while a loop has the socket, from its feed.
func (s *socket) Read(p []byte) (int, error) {
	switch {
	case !s.taken:
		return s.stream.Read(p)
	case len(s.feed) > 0:
		n := copy(p, s.feed)
		s.feed = s.feed[n:]
		return n, nil
	case s.ended:
		return 0, io.EOF
	}
	return 0, again{}
}

// Write writes as any conn does; while a loop has the socket, it takes everything
// and sends nothing.
func (s *socket) Write(p []byte) (int, error) {
	if s.taken {
		s.hold(p)
		return len(p), nil
	}
	for {
		if more, err := s.Flush(); err != nil {
			return 0, err
		} else if !more {
			return s.stream.Write(p)
		}
	}
}

// flushSize is what a slow peer takes before a deadline of seconds: one for all
// that may be unsent would be too much to ask.
const flushSize = 16 << 10

// Flush writes a part of what a relay has left unsent, and reports whether there
// is more. Deadlines apply.
func (s *socket) Flush() (more bool, err error) {
	if len(s.unsent) == 0 {
		return false, nil
	}
	n, err := s.stream.Write(s.unsent[:min(flushSize, len(s.unsent))])
	if s.unsent = s.unsent[n:]; len(s.unsent) == 0 {
		s.unsent = nil
	}
	return s.unsent != nil, err
}

// CloseWrite sends a FIN.
func (s *socket) CloseWrite() error {
	if half, ok := s.stream.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	raw, err := s.stream.SyscallConn()
	if err != nil {
		return err
	}
	var shut error
	if err := raw.Control(func(fd uintptr) { shut = syscall.Shutdown(int(fd), syscall.SHUT_WR) }); err != nil {
		return err
	}
	return os.NewSyscallError("shutdown", shut)
}

// take moves the socket out of Go's poller: a loop waits for it by itself, and
// Go's threads would wake for each packet, too.
func (s *socket) take() error {
	raw, err := s.stream.SyscallConn()
	if err != nil {
		return err
	}
	fd, duplicate := -1, syscall.Errno(0)
	err = raw.Control(func(old uintptr) {
		var r uintptr
		r, _, duplicate = syscall.RawSyscall(syscall.SYS_FCNTL, old, syscall.F_DUPFD_CLOEXEC, 0)
		fd = int(r)
	})
	switch {
	case err != nil:
		return err
	case duplicate != 0:
		return os.NewSyscallError("fcntl", duplicate)
	}
	s.stream.Close() // of a duplicated descriptor: the socket stays open
	s.taken, s.fd = true, fd
	return nil
}

// giveBack makes it an ordinary conn again.
func (s *socket) giveBack() {
	s.stream = os.NewFile(uintptr(s.fd), "socket") // non-blocking: it goes to Go's poller
	s.taken, s.feed, s.ended, s.spare = false, nil, false, nil
}

// hold puts p behind what is unsent.
func (s *socket) hold(p []byte) {
	if s.unsent == nil && s.spare != nil {
		s.unsent = s.spare.get()
	}
	s.unsent = append(s.unsent, p...)
}

// send writes p and holds what the socket does not take now.
func (s *socket) send(p []byte) error {
	if len(s.unsent) > 0 {
		s.hold(p)
		return nil
	}
	rest, err := s.put(p)
	if len(rest) > 0 && err == nil {
		s.hold(rest)
	}
	return err
}

// drain writes what is held, as far as the socket takes it now.
func (s *socket) drain() error {
	held := s.unsent
	rest, err := s.put(held)
	switch {
	case err != nil:
		return err
	case len(rest) > 0:
		s.unsent = held[:copy(held, rest)]
	case held != nil:
		s.unsent = nil
		s.spare.put(held)
	}
	return nil
}

// put writes p until the socket takes no more, which makes epoll tell when it
// does again.
func (s *socket) put(p []byte) (rest []byte, err error) {
	for len(p) > 0 {
		n, err := call(syscall.SYS_WRITE, s.fd, p)
		switch {
		case err == syscall.EINTR:
		case err == syscall.EAGAIN:
			return p, nil
		case err != 0:
			return p, os.NewSyscallError("write", err)
		default:
			p = p[n:]
		}
	}
	return nil, nil
}

// get reads into p. again is the error when there is nothing.
func (s *socket) get(p []byte) (int, error) {
	for {
		n, err := call(syscall.SYS_READ, s.fd, p)
		switch {
		case err == syscall.EINTR:
		case err == syscall.EAGAIN:
			return 0, again{}
		case err != 0:
			return 0, os.NewSyscallError("read", err)
		case n == 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

// call is read(2) or write(2), which cannot block here: Go's scheduler need not
// be told.
func call(number uintptr, fd int, p []byte) (int, syscall.Errno) {
	n, _, err := syscall.RawSyscall(number, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	return int(n), err
}
