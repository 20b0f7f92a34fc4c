package access

import (
	"errors"
	"fmt"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/windows"
)

const (
	tcpTableOwnerPIDAll = 5
	maxTable            = 64 << 20 // of a million connections
)

var getExtendedTCPTable = windows.NewLazySystemDLL("iphlpapi.dll").NewProc("GetExtendedTcpTable")

// ownerOf finds the process at the client's end, and whose it is.
func ownerOf(client, server netip.AddrPort) (uid string, err error) {
	pid := uint32(0)
	for _, six := range []bool{client.Addr().Is6(), true} { // IPv4 over a socket of IPv6, too
		table, err := tcpTable(six)
		if err != nil {
			return "", err
		}
		if pid, err = parseTCPTable(table, six, client, server); err == nil {
			break
		} else if !errors.Is(err, errClientLeft) {
			return "", err
		}
	}
	if pid == 0 {
		return "", errClientLeft
	}
	return userOf(pid)
}

// tcpTable is the system's table of connections.
func tcpTable(six bool) ([]byte, error) {
	family := uintptr(windows.AF_INET)
	if six {
		family = windows.AF_INET6
	}
	size := uint32(64 << 10)
	for size <= maxTable {
		table := make([]byte, size)
		code, _, _ := getExtendedTCPTable.Call(uintptr(unsafe.Pointer(&table[0])), uintptr(unsafe.Pointer(&size)), 0, family, tcpTableOwnerPIDAll, 0)
		switch windows.Errno(code) {
		case 0:
			return table, nil
		case windows.ERROR_INSUFFICIENT_BUFFER:
			size += size / 4 // connections come meanwhile
		default:
			return nil, fmt.Errorf("%w: %w", errCannotTell, windows.Errno(code))
		}
	}
	return nil, fmt.Errorf("%w: the table of connections is too long", errCannotTell)
}

// userOf is the SID of the user who runs a process.
func userOf(pid uint32) (string, error) {
	process, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, pid)
	if err != nil {
		return "", fmt.Errorf("process %d: %w", pid, err)
	}
	defer windows.CloseHandle(process)
	var token windows.Token
	if err := windows.OpenProcessToken(process, windows.TOKEN_QUERY, &token); err != nil {
		return "", fmt.Errorf("process %d: %w", pid, err)
	}
	defer token.Close()
	user, err := token.GetTokenUser()
	if err != nil {
		return "", fmt.Errorf("process %d: %w", pid, err)
	}
	return user.User.Sid.String(), nil
}
