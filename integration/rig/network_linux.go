//go:build linux

package rig

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Network is a network of machines in this one: network namespaces on a bridge. The
// test itself, and what it starts outside of a Host, has the first address. It is for
// one goroutine.
type Network struct {
	t      *testing.T
	bridge string
	first  netip.Addr
	last   netip.Addr // that a Host has
	hosts  int
}

// NewNetwork makes one that lasts until the test's end.
func NewNetwork(t *testing.T) *Network {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces take root")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Fatalf("%v: run scripts/install-deps", err)
	}
	n := &Network{t: t}
	for n.choose(); ; n.choose() {
		out, err := exec.Command("ip", "link", "add", n.bridge, "type", "bridge").CombinedOutput()
		if err == nil {
			break
		}
		if !strings.Contains(string(out), "File exists") { // another run was faster
			t.Fatalf("ip link add %s: %v: %s", n.bridge, err, out)
		}
	}
	t.Cleanup(func() { n.ip("link", "del", n.bridge) })
	n.ip("addr", "add", n.first.String()+"/16", "dev", n.bridge)
	n.ip("link", "set", n.bridge, "up")
	return n
}

// choose takes a name and addresses that nobody on this machine has: other runs of the
// tests have theirs.
func (n *Network) choose() {
	n.t.Helper()
	taken, err := net.InterfaceAddrs()
	if err != nil {
		n.t.Fatal(err)
	}
	for {
		i := rand.N(190)
		n.bridge, n.first = fmt.Sprintf("pgk%d", i), netip.AddrFrom4([4]byte{10, byte(64 + i), 0, 1})
		n.last = n.first
		free := true
		for _, a := range taken {
			in, ok := a.(*net.IPNet)
			free = free && !(ok && in.Contains(n.first.AsSlice()))
		}
		if free {
			return
		}
	}
}

// Address is that of the test.
func (n *Network) Address() string { return n.first.String() }

// More gives the test so many further addresses, up to 60,000.
func (n *Network) More(count int) (all []netip.Addr) {
	n.t.Helper()
	var batch strings.Builder
	at := n.first.As4()
	for i := range count {
		at[2], at[3] = byte(1+i/250), byte(1+i%250)
		all = append(all, netip.AddrFrom4(at))
		fmt.Fprintf(&batch, "addr add %s/32 dev %s\n", all[i], n.bridge)
	}
	cmd := exec.Command("ip", "-batch", "-")
	cmd.Stdin = strings.NewReader(batch.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		n.t.Fatalf("ip -batch: %v: %s", err, out)
	}
	return all
}

// Host is a machine of a Network.
type Host struct {
	Address string
	space   string // the name of its namespace
}

// NewHost adds one.
func (n *Network) NewHost() *Host {
	n.t.Helper()
	n.hosts++
	n.last = n.last.Next()
	h := &Host{Address: n.last.String(), space: fmt.Sprintf("%sh%d", n.bridge, n.hosts)}
	n.ip("netns", "add", h.space)
	n.t.Cleanup(func() { n.ip("netns", "del", h.space) })
	wire := h.space + "v"
	n.ip("link", "add", wire, "type", "veth", "peer", "name", "eth0", "netns", h.space)
	n.ip("link", "set", wire, "master", n.bridge, "up")
	for _, args := range [][]string{{"link", "set", "lo", "up"}, {"addr", "add", h.Address + "/16", "dev", "eth0"}, {"link", "set", "eth0", "up"}} {
		n.ip(append([]string{"-netns", h.space}, args...)...)
	}
	return h
}

func (n *Network) ip(args ...string) {
	n.t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		n.t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// On has a command run on h. The process stays the command's own.
func (h *Host) On(cmd *exec.Cmd) {
	cmd.Args = append([]string{"nsenter", "--net=/run/netns/" + h.space, "--", cmd.Path}, cmd.Args[1:]...)
	cmd.Path, cmd.Err = exec.LookPath("nsenter")
}

// StartRelay passes what comes to address on h, such as its loopback, on to another of
// the test itself, until the test's end.
func (h *Host) StartRelay(t *testing.T, address, to string) {
	t.Helper()
	l, err := h.listen(address)
	if err != nil {
		t.Fatal(err)
	}
	served := new(Relay).serve(l, []string{to})
	t.Cleanup(func() {
		l.Close()
		served.Wait()
	})
}

// listen listens in h's namespace: a socket stays where it was made.
func (h *Host) listen(address string) (l net.Listener, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine, and nobody else gets it
		space, e := os.Open("/run/netns/" + h.space)
		if e != nil {
			err = e
			return
		}
		defer space.Close()
		if err = unix.Setns(int(space.Fd()), unix.CLONE_NEWNET); err == nil {
			l, err = net.Listen("tcp4", address)
		}
	}()
	<-done
	return l, err
}
