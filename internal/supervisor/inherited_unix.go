//go:build unix

package supervisor

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// listens says what keeps f from being a stream socket that accepts: net.FileListener
// takes any stream socket.
func listens(f *os.File) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var kind, accepts int
	var kindErr error
	if err := raw.Control(func(fd uintptr) {
		if kind, kindErr = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TYPE); kindErr == nil {
			accepts, kindErr = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
		}
	}); err != nil {
		return err
	}
	switch {
	case kindErr != nil:
		return kindErr
	case kind != unix.SOCK_STREAM:
		return errors.New("not a stream socket")
	case accepts == 0:
		return errors.New("not a listening socket")
	}
	return nil
}
