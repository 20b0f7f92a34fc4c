package access

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// The records of net.inet.tcp.pcblist_n, which macOS packs to four bytes. Each begins
// with its length and kind; those of one connection follow each other, and each is
// padded to eight bytes. The machines that run macOS are little-endian.
//
// Source: xnu: bsd/netinet/in_pcb.h, xinpcb_n; bsd/sys/socketvar.h, xsocket_n.
const (
	pcbHead = 24 // struct xinpgen

	kindSocket = 0x001
	kindPCB    = 0x010

	pcbForeignPort = 16
	pcbLocalPort   = 18
	pcbFlags       = 44 // 1: IPv4, 2: IPv6
	pcbForeign     = 48 // IPv4 in its last four bytes
	pcbLocal       = 64
	pcbLen         = 80 // as far as it is read

	socketUID = 64
	socketLen = 68
)

// parsePCBs finds the owner of a connection's client end.
func parsePCBs(list []byte, client, server netip.AddrPort) (uid string, err error) {
	if len(list) < pcbHead {
		return "", fmt.Errorf("%w: a list of connections of %d bytes", errCannotTell, len(list))
	}
	found := false
	for rest := list[pcbHead:]; len(rest) >= 8; {
		size, kind := binary.LittleEndian.Uint32(rest), binary.LittleEndian.Uint32(rest[4:])
		if size < 8 || uint64(size) > uint64(len(rest)) {
			break
		}
		record := rest[:size]
		switch {
		case kind == kindPCB && size >= pcbLen:
			found = pcbAddress(record, pcbLocal, pcbLocalPort) == client && pcbAddress(record, pcbForeign, pcbForeignPort) == server
		case kind == kindSocket && size >= socketLen && found:
			return fmt.Sprint(binary.LittleEndian.Uint32(record[socketUID:])), nil
		}
		padded := (uint64(size) + 7) &^ 7
		if padded > uint64(len(rest)) {
			break
		}
		rest = rest[padded:]
	}
	return "", errClientLeft
}

// pcbAddress is one end of a connection.
func pcbAddress(record []byte, address, port int) netip.AddrPort {
	ip := netip.AddrFrom16([16]byte(record[address : address+16])).Unmap()
	if record[pcbFlags]&1 != 0 {
		ip = netip.AddrFrom4([4]byte(record[address+12 : address+16]))
	}
	return netip.AddrPortFrom(ip, binary.BigEndian.Uint16(record[port:]))
}
