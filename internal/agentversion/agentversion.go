// Package agentversion compares versions of the SSM agent, and knows those from
// which on it can do what pgkeyless needs.
//
// Source: amazon-ssm-agent, RELEASENOTES.md.
package agentversion

import (
	"strconv"
	"strings"
)

const (
	// Forwards is the first that forwards a port to another host.
	Forwards = "3.1.1188.0"
	// Supported is the oldest that pgkeyless supports: it knows what not to forward
	// to.
	Supported = "3.1.1374.0"
	// LastWithoutMux is the last that carries one connection in a session.
	LastWithoutMux = "3.0.196.0"
	// LastWithKeepAlive is the last that ends a session after 30 s without a frame.
	LastWithKeepAlive = "3.1.1511.0"
)

// After reports whether version is greater than limit, by the official client's
// rule: both have the same number of dotted parts and only numbers in them,
// otherwise no.
//
// Source: plugin, src/version/versionutil.go.
func After(version, limit string) bool {
	v, l := strings.Split(version, "."), strings.Split(limit, ".")
	if len(v) != len(l) {
		return false
	}
	order := 0
	for i := range v {
		have, err := strconv.ParseUint(v[i], 10, 32)
		if err != nil {
			return false
		}
		want, err := strconv.ParseUint(l[i], 10, 32)
		if err != nil {
			return false
		}
		if order == 0 && have != want {
			order = 1
			if have < want {
				order = -1
			}
		}
	}
	return order > 0
}
