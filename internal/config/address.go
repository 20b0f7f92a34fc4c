package config

import (
	"net/netip"
	"slices"
	"strings"
)

// Localhost as an address to listen on means both addresses that clients may
// take this name for.
const Localhost = "localhost"

// Addresses are those to listen on. Of the two that Localhost means, this
// machine may lack the second.
func (o Options) Addresses() []string {
	if strings.EqualFold(o.Address, Localhost) {
		return []string{"127.0.0.1", "::1"}
	}
	return []string{o.Address}
}

// overlap reports whether one port cannot serve both.
func overlap(a, b Options) bool {
	shared := func(address string) bool { return slices.Contains(b.Addresses(), address) }
	return isWildcard(a.Address) || isWildcard(b.Address) || slices.ContainsFunc(a.Addresses(), shared)
}

func isWildcard(address string) bool {
	a, err := netip.ParseAddr(address)
	return err == nil && a.IsUnspecified()
}
