package serving

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/config"
)

// fakeNet is a machine's addresses: who listens where, in memory.
type fakeNet struct {
	refuses map[string]error // by "host" or "host:port"
	next    int              // the port that is chosen next
	asked   []string
	open    map[string]bool
}

func (n *fakeNet) listen(_ context.Context, network, address string) (net.Listener, error) {
	n.asked = append(n.asked, network+" "+address)
	host, port, _ := net.SplitHostPort(address)
	if port == "0" {
		n.next++
		port = strconv.Itoa(n.next)
		address = net.JoinHostPort(host, port)
	}
	for _, key := range []string{host, address} {
		if err := n.refuses[key]; err != nil {
			return nil, &net.OpError{Op: "listen", Err: os.NewSyscallError("bind", err)}
		}
	}
	number, _ := strconv.Atoi(port)
	l := &memoryListener{net: n, addr: &net.TCPAddr{IP: net.ParseIP(host), Port: number}}
	if n.open == nil {
		n.open = map[string]bool{}
	}
	n.open[address] = true
	return l, nil
}

type memoryListener struct {
	net  *fakeNet
	addr *net.TCPAddr
}

func (l *memoryListener) Accept() (net.Conn, error) { return nil, net.ErrClosed }
func (l *memoryListener) Addr() net.Addr            { return l.addr }
func (l *memoryListener) Close() error {
	delete(l.net.open, l.addr.String())
	return nil
}

func TestLocalhostIsBothItsAddresses(t *testing.T) {
	none := map[string]error{}
	for _, tt := range []struct {
		name     string
		address  string
		port     int
		refuses  map[string]error
		want     []string
		without6 bool
		err      string
	}{
		{name: "both", address: "localhost", port: 5432, refuses: none, want: []string{"127.0.0.1:5432", "[::1]:5432"}},
		{name: "by any case", address: "LocalHost", port: 5432, refuses: none, want: []string{"127.0.0.1:5432", "[::1]:5432"}},
		{name: "one alone", address: "127.0.0.1", port: 5432, refuses: none, want: []string{"127.0.0.1:5432"}},
		{name: "the other alone", address: "::1", port: 5432, refuses: none, want: []string{"[::1]:5432"}},
		{name: "the same free port", address: "localhost", refuses: none, want: []string{"127.0.0.1:50001", "[::1]:50001"}},
		{name: "a port that is free on one only", address: "localhost", refuses: map[string]error{"[::1]:50001": syscall.EADDRINUSE, "[::1]:50002": syscall.EADDRINUSE},
			want: []string{"127.0.0.1:50003", "[::1]:50003"}},
		{name: "no ::1", address: "localhost", port: 5432, refuses: map[string]error{"::1": syscall.EADDRNOTAVAIL}, want: []string{"127.0.0.1:5432"}, without6: true},
		{name: "no IPv6", address: "localhost", refuses: map[string]error{"::1": syscall.EAFNOSUPPORT}, want: []string{"127.0.0.1:50001"}, without6: true},
		{name: "no ::1, which alone is wanted", address: "::1", port: 5432, refuses: map[string]error{"::1": syscall.EADDRNOTAVAIL}, err: "::1 is not an address of this machine"},
		{name: "taken on ::1", address: "localhost", port: 5432, refuses: map[string]error{"[::1]:5432": syscall.EADDRINUSE}, err: "port 5432 on ::1 is already in use"},
		{name: "taken on 127.0.0.1", address: "localhost", port: 5432, refuses: map[string]error{"127.0.0.1:5432": syscall.EADDRINUSE}, err: "port 5432 on 127.0.0.1 is already in use"},
		{name: "all taken on ::1", address: "localhost", refuses: map[string]error{"::1": syscall.EADDRINUSE}, err: "already in use"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			machine := &fakeNet{refuses: tt.refuses, next: 50000}
			p := &ports{listen: machine.listen}
			listeners, err := p.tcp(t.Context(), config.Target{Name: "orders", Options: config.Options{Address: tt.address, Port: tt.port}})
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) || causes.Hint(err) == "" {
					t.Errorf("error %v, want %q and a hint", err, tt.err)
				}
				if len(machine.open) > 0 || len(p.fresh) > 0 {
					t.Errorf("left open: %v, %d fresh", machine.open, len(p.fresh))
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, l := range listeners {
				got = append(got, l.Addr().String())
			}
			if !slices.Equal(got, tt.want) || p.without6 != tt.without6 {
				t.Errorf("listens on %q, without6 %v; want %q, %v", got, p.without6, tt.want, tt.without6)
			}
			if len(machine.open) != len(tt.want) {
				t.Errorf("%v is open, want %q alone", machine.open, tt.want)
			}
		})
	}
}

// A reload finds both open, and opens neither.
func TestReloadTakesBothListeners(t *testing.T) {
	target := config.Target{Name: "orders", Options: config.Options{Address: config.Localhost, UnixSocket: config.SocketNone}}
	machine := &fakeNet{next: 50000}
	p := &ports{listen: machine.listen}
	listeners, _, err := listen(t.Context(), target, "", p)
	if err != nil || len(listeners) != 2 {
		t.Fatalf("%d listeners, %v", len(listeners), err)
	}
	before := front{targets: []config.Target{target}, shared: listeners}
	before.targets[0].Shared = true
	machine.asked = nil
	again := portsOf(before)
	again.listen = machine.listen
	taken, _, err := listen(t.Context(), before.targets[0], "", again)
	if err != nil || !slices.Equal(taken, listeners) || len(machine.asked) > 0 {
		t.Errorf("took %v, opened %q, %v; want the two that are open", taken, machine.asked, err)
	}
}

func TestMissingIPv6IsOneLine(t *testing.T) {
	var log bytes.Buffer
	tellWithout6(slog.New(slog.NewTextHandler(&log, nil)), front{without6: true})
	tellWithout6(slog.New(slog.NewTextHandler(&log, nil)), front{})
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "level=INFO") || !strings.Contains(got, "::1") {
		t.Errorf("logged %q, want one line at info", got)
	}
	if noSuchAddress(errors.New("else")) || !noSuchAddress(wsaNotAvailable) || !noSuchAddress(wsaNoFamily) {
		t.Error("noSuchAddress does not know Windows' numbers")
	}
}
