package pgserver

import (
	"fmt"
	"os"
	"syscall"
)

// reserve finds a free port of 127.0.0.1 that nobody else gets until release is called, also
// while the server is not running: a socket is bound to it that never listens. PostgreSQL can
// bind its own beside that, since both have SO_REUSEADDR.
func reserve() (port int, release func(), err error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, nil, fmt.Errorf("reserving a port: %w", os.NewSyscallError("socket", err))
	}
	release = func() { syscall.Close(fd) }
	if port, err = bindAny(fd); err != nil {
		release()
		return 0, nil, fmt.Errorf("reserving a port: %w", err)
	}
	return port, release, nil
}

// bindAny binds a socket to a port of the kernel's choice.
func bindAny(fd int) (port int, err error) {
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return 0, os.NewSyscallError("setsockopt", err)
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return 0, os.NewSyscallError("bind", err)
	}
	at, err := syscall.Getsockname(fd)
	if err != nil {
		return 0, os.NewSyscallError("getsockname", err)
	}
	return at.(*syscall.SockaddrInet4).Port, nil
}
