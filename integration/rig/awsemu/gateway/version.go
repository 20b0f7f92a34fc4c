package gateway

import (
	"cmp"
	"strconv"
	"strings"
)

// What the agent decides by the ClientVersion of the HandshakeResponse.
// Source: amazon-ssm-agent, agent/session/plugins/port/port.go and port_mux.go.
const (
	muxFrom       = "1.1.70"    // this version and later multiplex
	keepAliveUpTo = "1.2.331.0" // later ones do without smux keepalive

	// Milestones of the agent's own, each the first version with it.
	agentPortFrom          = "2.3.672.0"
	agentMuxFrom           = "3.0.222.0"
	agentNoKeepAlive       = "3.1.1446.0"
	agentKeepAliveAgain    = "3.1.1476.0"
	agentKeepAliveByClient = "3.1.1575.0"
	agentReacksFrom        = "3.2.1041.0"

	portSessionType   = "Port"
	sessionTypeAction = "SessionType"
)

// LocalForwarding is the type of the properties of documents that forward a port.
const LocalForwarding = "LocalPortForwarding"

// compareVersions compares part by part: as numbers where both are, else as
// text; fewer parts are less.
func compareVersions(a, b string) int {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(as), len(bs)) {
		x, errX := strconv.Atoi(as[i])
		y, errY := strconv.Atoi(bs[i])
		c := cmp.Compare(x, y)
		if errX != nil || errY != nil {
			c = cmp.Compare(as[i], bs[i])
		}
		if c != 0 {
			return c
		}
	}
	return cmp.Compare(len(as), len(bs))
}

// usesMux says whether this agent multiplexes for this client.
func usesMux(agentVersion, clientVersion string) bool {
	return compareVersions(agentVersion, agentMuxFrom) >= 0 && compareVersions(clientVersion, muxFrom) >= 0
}

// usesKeepAlive says whether the agent's smux keeps alive, and so gives up a
// client that is silent for 30 to 60 seconds.
//
// Agents before agentKeepAliveByClient do not ask for the client's version.
func usesKeepAlive(agentVersion, clientVersion string) bool {
	if compareVersions(agentVersion, agentKeepAliveByClient) >= 0 {
		return compareVersions(clientVersion, keepAliveUpTo) <= 0
	}
	return compareVersions(agentVersion, agentNoKeepAlive) < 0 || compareVersions(agentVersion, agentKeepAliveAgain) >= 0
}
