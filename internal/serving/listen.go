package serving

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"slices"
	"syscall"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/running"
)

// listen opens t's TCP port, on each of its addresses, and, unless t wants none, its
// Unix socket; or takes what was inherited under that name in place of either. The
// second result says why there is no socket in the default place; it does not
// stop anybody. The caller closes p's listeners.
func listen(ctx context.Context, t config.Target, name string, p *ports) (listeners []net.Listener, noSocket, err error) {
	listeners, sockets := p.inherited.of(name)
	if len(listeners) == 0 {
		if listeners, err = p.tcp(ctx, t); err != nil {
			return nil, nil, err
		}
	}
	if len(sockets) > 0 {
		return append(listeners, sockets...), nil, nil
	}
	given := t.UnixSocket != "" || len(listeners) == 0 // which leaves it alone
	if t.UnixSocket == config.SocketNone || !given && runtime.GOOS == "windows" {
		return listeners, nil, nil
	}
	dir, err := running.SocketDir(t)
	if err != nil && causes.Hint(err) == "" {
		err = causes.Misuse(fmt.Sprintf("directory for the Unix socket: %v", err), running.SocketHint)
	}
	var unix net.Listener
	if err == nil {
		unix, err = p.unix(dir, socketNumber(listeners, t))
	}
	switch {
	case err == nil:
		return append(listeners, unix), nil, nil
	case given:
		return nil, nil, err
	}
	return listeners, err, nil
}

// socketNumber is the number in the name of the Unix socket beside listeners: their
// port or, where there are none, what t has in its place.
func socketNumber(listeners []net.Listener, t config.Target) int {
	if a := tcpAddress(listeners); a != nil {
		return a.Port
	}
	return t.Port
}

// Windows has its own numbers for these, which the names in syscall do not
// match.
//
// Source: Windows Sockets error codes, WSAEACCES, WSAEAFNOSUPPORT, WSAEADDRINUSE
// and WSAEADDRNOTAVAIL.
const (
	wsaAccess       = syscall.Errno(10013)
	wsaNoFamily     = syscall.Errno(10047)
	wsaInUse        = syscall.Errno(10048)
	wsaNotAvailable = syscall.Errno(10049)
)

// inUse says that somebody has the port.
func inUse(err error) bool { return isAny(err, syscall.EADDRINUSE, wsaInUse) }

// noSuchAddress says that the machine does not have the address, nor perhaps any
// of its family.
func noSuchAddress(err error) bool {
	return isAny(err, syscall.EADDRNOTAVAIL, syscall.EAFNOSUPPORT, wsaNotAvailable, wsaNoFamily)
}

func isAny(err error, others ...error) bool {
	return slices.ContainsFunc(others, func(other error) bool { return errors.Is(err, other) })
}

// listenError is err of listening for t on one of its addresses.
func listenError(t config.Target, address string, err error) error {
	other := t.Port%65535 + 1
	choose := fmt.Sprintf("choose another with --port %d, or for this target only in its query string: '%s?port=%d&…'", other, t.Arg(), other)
	switch {
	case inUse(err):
		if s, ok := running.ServedAt(address, t.Port); ok {
			return causes.Misuse(fmt.Sprintf("port %d on %s is already in use: a running pgkeyless serves %q there", t.Port, address, s.Name), choose)
		}
		return causes.Misuse(fmt.Sprintf("port %d on %s is already in use", t.Port, address),
			"a local PostgreSQL or another pgkeyless may hold it; "+choose)
	case isAny(err, syscall.EACCES, wsaAccess, os.ErrPermission):
		return causes.Misuse(fmt.Sprintf("port %d on %s: permission denied", t.Port, address), "ports below 1024 may need rights; "+choose)
	case noSuchAddress(err):
		return causes.Misuse(address+" is not an address of this machine", "choose another with --address, or leave it out for localhost")
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		return causes.Misuse(fmt.Sprintf("address %s: %s", address, e.Err), "choose another with --address, or leave it out for localhost")
	}
	return causes.Misuse(fmt.Sprintf("listening on %s port %d: %v", address, t.Port, err), choose)
}
