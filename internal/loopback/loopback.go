// Package loopback knows which hosts are this machine alone.
package loopback

import (
	"net/netip"
	"strings"
)

// Is reports whether host, a name or an address without brackets, is this
// machine and nothing else: an address of the loopback interface, or localhost in
// any case. It asks no DNS, so that other names are not.
//
// Source: RFC 6761, section 6.3, for the name; netip.Addr.IsLoopback for the
// addresses.
func Is(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}
