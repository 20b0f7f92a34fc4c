package serving

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"syscall"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/running"
)

// listen opens t's TCP port and, unless t wants none, its Unix socket. The
// second result says why there is no socket in the default place; it does not
// stop anybody. The caller closes p's listeners.
func listen(ctx context.Context, t config.Target, p *ports) (listeners []net.Listener, noSocket, err error) {
	tcp, err := p.tcp(ctx, t)
	if err != nil {
		return nil, nil, err
	}
	listeners = []net.Listener{tcp}
	given := t.UnixSocket != ""
	if t.UnixSocket == config.SocketNone || !given && runtime.GOOS == "windows" {
		return listeners, nil, nil
	}
	dir, err := running.SocketDir(t)
	var unix net.Listener
	if err == nil {
		unix, err = p.unix(dir, tcp.Addr().(*net.TCPAddr).Port)
	}
	switch {
	case err == nil:
		return append(listeners, unix), nil, nil
	case given:
		return nil, nil, err
	}
	return listeners, err, nil
}

// Windows has its own numbers for these, which the names in syscall do not
// match.
//
// Source: Windows Sockets error codes, WSAEACCES, WSAEADDRINUSE and
// WSAEADDRNOTAVAIL.
const (
	wsaAccess       = syscall.Errno(10013)
	wsaInUse        = syscall.Errno(10048)
	wsaNotAvailable = syscall.Errno(10049)
)

// inUse says that somebody has the port.
func inUse(err error) bool {
	return errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, wsaInUse)
}

func listenError(t config.Target, err error) error {
	other := t.Port%65535 + 1
	choose := fmt.Sprintf("choose another with --port %d, or for this target alone in its query string: '%s?port=%d&…'", other, t.Arg(), other)
	is := func(errnos ...error) bool {
		for _, e := range errnos {
			if errors.Is(err, e) {
				return true
			}
		}
		return false
	}
	switch {
	case inUse(err):
		if s, ok := running.ServedAt(t); ok {
			return causes.Misuse(fmt.Sprintf("port %d on %s is already in use: a pgkeyless of yours serves %q there", t.Port, t.Address, s.Name), choose)
		}
		return causes.Misuse(fmt.Sprintf("port %d on %s is already in use", t.Port, t.Address),
			"a local PostgreSQL or another pgkeyless may hold it; "+choose)
	case is(syscall.EACCES, wsaAccess, os.ErrPermission):
		return causes.Misuse(fmt.Sprintf("port %d on %s: permission denied", t.Port, t.Address), "ports below 1024 may need rights; "+choose)
	case is(syscall.EADDRNOTAVAIL, wsaNotAvailable):
		return causes.Misuse(t.Address+" is not an address of this machine", "choose another with --address, or leave it out for 127.0.0.1")
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		return causes.Misuse(fmt.Sprintf("address %s: %s", t.Address, e.Err), "choose another with --address, or leave it out for 127.0.0.1")
	}
	return causes.Misuse(fmt.Sprintf("listening on %s port %d: %v", t.Address, t.Port, err), choose)
}
