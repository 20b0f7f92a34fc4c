package gateway

import (
	"fmt"
	"net"
	"slices"
	"strings"
)

// denied are the addresses that the agent never forwards to: metadata, DNS and
// time services of a VPC. Source: amazon-ssm-agent, agent/session/plugins/port.
var denied = []string{
	"169.254.169.254", "fd00:ec2::254",
	"169.254.169.253", "fd00:ec2::253",
	"169.254.169.123", "fd00:ec2::123",
	"169.254.169.250", "169.254.169.251", "fd00:ec2::240",
}

// startPort resolves the host, once for the session's life, and starts the
// plugin in the mode that the client's version asks for.
func (a *agent) startPort() {
	address, err := a.s.g.resolve(a.s.properties.Host, a.s.properties.PortNumber)
	if err != nil {
		a.fail(err.Error())
		return
	}
	if usesMux(a.cfg.AgentVersion, a.clientVersion) && a.s.properties.Type == LocalForwarding {
		a.startMux(address)
	} else {
		a.startBasic(address)
	}
}

// resolve is the jump host's name service and network in one: the real address
// of host and port, by the Hosts table. Errors are what the agent tells.
func (g *Gateway) resolve(host, port string) (string, error) {
	name := strings.ToLower(host)
	if name == "" {
		name = "localhost"
	}
	g.mu.Lock()
	address, ok := g.hosts[net.JoinHostPort(name, port)]
	if !ok {
		if address, ok = g.hosts[name]; ok {
			address = net.JoinHostPort(address, port)
		}
	}
	broken := g.lookups
	g.mu.Unlock()
	switch {
	case broken != "" && net.ParseIP(name) == nil:
		return "", fmt.Errorf("lookup %s on 169.254.169.253:53: %s", host, broken)
	case ok:
	case net.ParseIP(name) != nil:
		address = net.JoinHostPort(name, port)
	case name == "localhost":
		address = net.JoinHostPort("127.0.0.1", port)
	default:
		return "", fmt.Errorf("lookup %s on 169.254.169.253:53: no such host", host)
	}
	real, _, err := net.SplitHostPort(address)
	if err != nil {
		return "", err
	}
	if ip := net.ParseIP(real); ip != nil && slices.Contains(denied, ip.String()) {
		return "", refusal("Forwarding to IP address " + host + " is forbidden.")
	}
	return address, nil
}

// refusal is an error in the agent's own words.
type refusal string

func (r refusal) Error() string { return string(r) }

// dial opens one connection to the target, with no time limit of its own.
func (a *agent) dial(address string) (net.Conn, error) {
	a.s.noteDial()
	a.s.g.mu.Lock()
	dial := a.s.g.dial
	a.s.g.mu.Unlock()
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	return dial(a.ctx, "tcp", address)
}

// pump sends what read gives, at most maxChunk bytes a message and one message
// each Pace, until read fails. It reads nothing while paused, nor, where it is faster
// than the genuine one, while its client is far behind.
func (a *agent) pump(read func([]byte) (int, error)) error {
	buf := make([]byte, maxChunk)
	for {
		if err := a.gate.pass(a.ctx); err != nil {
			return err
		}
		n, err := read(buf)
		if n > 0 {
			if err := a.sendData(payloadData, slices.Clone(buf[:n])); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
		if a.cfg.Pace > 0 {
			kernelSleep(a.cfg.Pace)
		}
		if a.cfg.Pace < agentPace {
			if err := a.out.await(a.ctx, farBehind); err != nil {
				return err
			}
		}
	}
}
