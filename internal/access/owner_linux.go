package access

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// Of linux/inet_diag.h and linux/sock_diag.h, which x/sys/unix lacks.
const (
	sockDiagByFamily = 20
	diagRequestLen   = 56 // struct inet_diag_req_v2
	diagMessageLen   = 72 // struct inet_diag_msg
)

// States of net/tcp_states.h in which a client's socket has an owner still.
const (
	tcpEstablished = 1
	tcpCloseWait   = 8
)

// ownerOf is who owns the socket at the client's end of a connection.
func ownerOf(client, server netip.AddrPort) (uid string, err error) {
	uid, err = askKernel(client, server)
	if !errors.Is(err, errCannotTell) {
		return uid, err
	}
	// A sandbox, or a kernel without the module.
	if slow, why := askProc(client, server); !errors.Is(why, errCannotTell) {
		return slow, why
	}
	return "", err
}

// askProc reads the whole table of connections, which takes long where there are many.
func askProc(client, server netip.AddrPort) (uid string, err error) {
	path := "/proc/net/tcp"
	if client.Addr().Is6() {
		path = "/proc/net/tcp6"
	}
	for _, path := range []string{path, "/proc/net/tcp6"} { // IPv4 over a socket of IPv6, too
		f, err := os.Open(path)
		if err != nil {
			return "", fmt.Errorf("%w: %w", errCannotTell, err)
		}
		uid, err = parseProc(f, client, server)
		f.Close()
		if err == nil || !errors.Is(err, errClientLeft) {
			return uid, err
		}
	}
	return "", errClientLeft
}

// askKernel asks who owns the socket whose local address is client and whose
// remote one is server: one question, answered from the hash table of connections.
//
// A socket without inode has no process any more, and the kernel would say root.
//
// Source: man 7 sock_diag; linux: net/ipv4/inet_diag.c, inet_diag_find_one_icsk.
func askKernel(client, server netip.AddrPort) (uid string, err error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return "", fmt.Errorf("%w: %w", errCannotTell, os.NewSyscallError("socket", err))
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 1}); err != nil {
		return "", os.NewSyscallError("setsockopt", err)
	}
	if err := unix.Sendto(fd, diagRequest(client, server), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return "", os.NewSyscallError("sendto", err)
	}
	var answer [4096]byte
	n, from, err := unix.Recvfrom(fd, answer[:], 0)
	if err != nil {
		return "", os.NewSyscallError("recvfrom", err)
	}
	if kernel, ok := from.(*unix.SockaddrNetlink); !ok || kernel.Pid != 0 {
		return "", errors.New("an answer that is not from the kernel")
	}
	return parseDiag(answer[:n])
}

// diagRequest is a question about one connection.
func diagRequest(client, server netip.AddrPort) []byte {
	b := make([]byte, unix.SizeofNlMsghdr+diagRequestLen)
	native := binary.NativeEndian
	native.PutUint32(b[0:], uint32(len(b)))
	native.PutUint16(b[4:], sockDiagByFamily)
	native.PutUint16(b[6:], unix.NLM_F_REQUEST)
	request := b[unix.SizeofNlMsghdr:]
	request[0] = unix.AF_INET6
	if client.Addr().Is4() {
		request[0] = unix.AF_INET
	}
	request[1] = unix.IPPROTO_TCP
	native.PutUint32(request[4:], 1<<tcpEstablished|1<<tcpCloseWait)
	id := request[8:]
	binary.BigEndian.PutUint16(id[0:], client.Port())
	binary.BigEndian.PutUint16(id[2:], server.Port())
	copy(id[4:20], client.Addr().AsSlice())
	copy(id[20:36], server.Addr().AsSlice())
	native.PutUint32(id[40:], ^uint32(0)) // no cookie
	native.PutUint32(id[44:], ^uint32(0))
	return b
}

// parseDiag reads the answer to a diagRequest.
func parseDiag(b []byte) (uid string, err error) {
	native := binary.NativeEndian
	if len(b) < unix.SizeofNlMsghdr {
		return "", errors.New("a netlink answer that is too short")
	}
	if kind := native.Uint16(b[4:]); kind == unix.NLMSG_ERROR && len(b) >= unix.SizeofNlMsghdr+4 {
		switch errno := unix.Errno(-int32(native.Uint32(b[unix.SizeofNlMsghdr:]))); errno {
		case unix.ENOENT:
			return "", errClientLeft
		default:
			return "", fmt.Errorf("%w: %w", errCannotTell, os.NewSyscallError("sock_diag", errno))
		}
	} else if kind != sockDiagByFamily {
		return "", fmt.Errorf("a netlink answer of type %d", kind)
	}
	message := b[unix.SizeofNlMsghdr:]
	if len(message) < diagMessageLen {
		return "", errors.New("a netlink answer that is too short")
	}
	state, owner, inode := message[1], native.Uint32(message[64:]), native.Uint32(message[68:])
	if state != tcpEstablished && state != tcpCloseWait || inode == 0 {
		return "", errClientLeft
	}
	return fmt.Sprint(owner), nil
}
