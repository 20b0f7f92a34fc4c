package access

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
)

// parseProc finds the owner of a connection's client end in /proc/net/tcp or tcp6.
//
// Source: linux: Documentation/networking/proc_net_tcp.rst; addresses are words in the
// machine's byte order.
func parseProc(table io.Reader, client, server netip.AddrPort) (uid string, err error) {
	lines := bufio.NewScanner(table)
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 10 || f[0] == "sl" {
			continue
		}
		local, okLocal := procAddress(f[1])
		remote, okRemote := procAddress(f[2])
		if !okLocal || !okRemote || local != client || remote != server {
			continue
		}
		state, err := strconv.ParseUint(f[3], 16, 8)
		if err != nil || state != 1 && state != 8 || f[9] == "0" { // established, close wait; no inode: no owner
			return "", errClientLeft
		}
		if _, err := strconv.ParseUint(f[7], 10, 32); err != nil {
			return "", fmt.Errorf("%w: uid %q in the table of connections", errCannotTell, f[7])
		}
		return f[7], nil
	}
	if err := lines.Err(); err != nil {
		return "", fmt.Errorf("%w: %w", errCannotTell, err)
	}
	return "", errClientLeft
}

// procAddress reads "0100007F:1538".
func procAddress(s string) (netip.AddrPort, bool) {
	address, port, ok := strings.Cut(s, ":")
	raw, err := hex.DecodeString(address)
	if !ok || err != nil || len(raw) != 4 && len(raw) != 16 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(raw); i += 4 {
		binary.NativeEndian.PutUint32(raw[i:], binary.BigEndian.Uint32(raw[i:]))
	}
	n, err := strconv.ParseUint(port, 16, 16)
	ip, fits := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(ip.Unmap(), uint16(n)), err == nil && fits
}
