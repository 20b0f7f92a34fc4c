package access

import (
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// ownerOf reads the system's list of connections.
func ownerOf(client, server netip.AddrPort) (uid string, err error) {
	list, err := unix.SysctlRaw("net.inet.tcp.pcblist_n")
	if err != nil {
		return "", fmt.Errorf("%w: %w", errCannotTell, err)
	}
	return parsePCBs(list, client, server)
}
