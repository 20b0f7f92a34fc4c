package access

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// The rows of GetExtendedTcpTable with TCP_TABLE_OWNER_PID_ALL, after a count of them.
// Ports are in network order in the first two bytes of their word.
//
// Source: Windows documentation, MIB_TCPROW_OWNER_PID and MIB_TCP6ROW_OWNER_PID.
const (
	tcpRow  = 24 // state, local address and port, remote address and port, pid
	tcp6Row = 56 // local address, scope and port, remote the same, state, pid
)

// parseTCPTable finds the process at a connection's client end, in a table of IPv4 or
// of IPv6.
func parseTCPTable(table []byte, six bool, client, server netip.AddrPort) (pid uint32, err error) {
	if len(table) < 4 {
		return 0, fmt.Errorf("%w: a table of connections of %d bytes", errCannotTell, len(table))
	}
	row := tcpRow
	if six {
		row = tcp6Row
	}
	count := binary.LittleEndian.Uint32(table)
	rest := table[4:]
	for range count {
		if len(rest) < row {
			break
		}
		var local, remote netip.AddrPort
		if six {
			local, remote, pid = rowEnd(rest[:16], rest[20:]), rowEnd(rest[24:40], rest[44:]), binary.LittleEndian.Uint32(rest[52:])
		} else {
			local, remote, pid = rowEnd(rest[4:8], rest[8:]), rowEnd(rest[12:16], rest[16:]), binary.LittleEndian.Uint32(rest[20:])
		}
		if local == client && remote == server {
			if pid == 0 { // a connection that is over, in the system's hands
				return 0, errClientLeft
			}
			return pid, nil
		}
		rest = rest[row:]
	}
	return 0, errClientLeft
}

func rowEnd(address, port []byte) netip.AddrPort {
	ip, _ := netip.AddrFromSlice(address)
	return netip.AddrPortFrom(ip.Unmap(), binary.BigEndian.Uint16(port))
}
