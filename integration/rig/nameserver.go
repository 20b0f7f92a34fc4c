//go:build linux

package rig

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// NameServer answers for names that are CNAMEs of others, which have an address, and
// for those that have addresses of their own. It says of every other name that it does
// not exist.
type NameServer struct {
	aliases map[string]string
	conf    string // a resolv.conf that names it

	mu     sync.Mutex
	broken map[string]bool // names for which it fails
	hosts  map[string][]netip.Addr
}

// StartNameServer starts one that knows aliases, until the test's end.
func StartNameServer(t *testing.T, aliases map[string]string) *NameServer {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("a name server on port 53, and a resolv.conf of its own, take root")
	}
	c, host := listenForDNS(t)
	return serveNames(t, c, host, aliases)
}

// StartNameServerAt starts one for others than this machine, at an address of a Network.
func StartNameServerAt(t *testing.T, host string) *NameServer {
	t.Helper()
	c, err := net.ListenPacket("udp4", net.JoinHostPort(host, "53"))
	if err != nil {
		t.Fatal(err)
	}
	return serveNames(t, c, host, nil)
}

func serveNames(t *testing.T, c net.PacketConn, host string, aliases map[string]string) *NameServer {
	t.Helper()
	n := &NameServer{aliases: aliases, conf: filepath.Join(t.TempDir(), "resolv.conf"), broken: map[string]bool{}, hosts: map[string][]netip.Addr{}}
	served := make(chan struct{})
	go func() {
		defer close(served)
		packet := make([]byte, 1500)
		for {
			size, from, err := c.ReadFrom(packet)
			if err != nil {
				return
			}
			if answer, err := n.answer(packet[:size]); err == nil {
				c.WriteTo(answer, from)
			}
		}
	}()
	t.Cleanup(func() {
		c.Close()
		<-served
	})
	// An answer may take longer than the usual 5 s, since this process gives it.
	if err := os.WriteFile(n.conf, []byte("nameserver "+host+"\noptions timeout:30\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return n
}

// listenForDNS takes port 53 of a loopback address that no other run of the tests
// has it on.
func listenForDNS(t *testing.T) (c net.PacketConn, host string) {
	t.Helper()
	var err error
	for range 20 {
		host = fmt.Sprintf("127.0.%d.%d", 1+rand.N(254), 1+rand.N(254))
		if c, err = net.ListenPacket("udp4", host+":53"); err == nil {
			return c, host
		}
	}
	t.Fatal(err)
	return nil, ""
}

// Asking lets a command ask it: resolv.conf knows no port but 53.
func (n *NameServer) Asking(cmd *exec.Cmd) {
	const script = `mount --bind "$0" /etc/resolv.conf && exec "$@"`
	cmd.Args = append([]string{"unshare", "--mount", "sh", "-c", script, n.conf, cmd.Path}, cmd.Args[1:]...)
	cmd.Path, cmd.Err = exec.LookPath("unshare")
}

// Fail says whether questions for a name fail.
func (n *NameServer) Fail(name string, fails bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.broken[name] = fails
}

// Name gives a name addresses, in place of those that it had.
func (n *NameServer) Name(name string, addresses ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hosts[name] = nil
	for _, a := range addresses {
		n.hosts[name] = append(n.hosts[name], netip.MustParseAddr(a))
	}
}

// addresses are those of a name that has its own.
func (n *NameServer) addresses(name string) (all []netip.Addr, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	all, ok = n.hosts[name]
	return all, ok
}

func (n *NameServer) fails(name string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.broken[name]
}

func (n *NameServer) answer(packet []byte) ([]byte, error) {
	var question dnsmessage.Message
	if err := question.Unpack(packet); err != nil {
		return nil, err
	}
	answer := dnsmessage.Message{Header: dnsmessage.Header{ID: question.ID, Response: true, RecursionAvailable: true}, Questions: question.Questions}
	asked := question.Questions[0]
	head := dnsmessage.ResourceHeader{Name: asked.Name, Class: dnsmessage.ClassINET}
	for {
		to, ok := n.aliases[strings.TrimSuffix(head.Name.String(), ".")]
		if !ok {
			break
		}
		name, err := dnsmessage.NewName(to + ".")
		if err != nil {
			return nil, err
		}
		answer.Answers = append(answer.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.CNAMEResource{CNAME: name}})
		head.Name = name
	}
	hosts, named := n.addresses(strings.TrimSuffix(asked.Name.String(), "."))
	switch {
	case named && asked.Type == dnsmessage.TypeA:
		for _, a := range hosts {
			answer.Answers = append(answer.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AResource{A: a.As4()}})
		}
	case named:
	case n.fails(strings.TrimSuffix(asked.Name.String(), ".")):
		answer.Answers, answer.RCode = nil, dnsmessage.RCodeServerFailure
	case len(answer.Answers) == 0:
		answer.RCode = dnsmessage.RCodeNameError
	case asked.Type == dnsmessage.TypeA:
		answer.Answers = append(answer.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AResource{A: [4]byte{10, 0, 0, 9}}})
	}
	return answer.Pack()
}
