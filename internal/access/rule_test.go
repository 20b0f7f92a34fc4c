package access

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"os/user"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

func rule(t *testing.T, names ...string) *Rule {
	t.Helper()
	r, err := NewRule(names)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// pair is a connection on loopback, of which served is the server's end.
func pair(t testing.TB, network, address string) (client, served net.Conn) {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if client, err = net.Dial(network, l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if served, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); served.Close() })
	return client, served
}

func TestOwnClientIsLetIn(t *testing.T) {
	r := rule(t)
	if err := r.Check(); err != nil {
		t.Fatalf("this system cannot tell: %v", err)
	}
	for _, address := range []string{"127.0.0.1:0", "[::1]:0", "127.5.6.7:0"} {
		_, served := pair(t, "tcp", address)
		if err := r.Admit(served); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// A client may reach a listener of IPv4 over a socket of IPv6, as Java does.
func TestOwnClientOverMappedIPv6(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	fd, err := syscall.Socket(syscall.AF_INET6, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	at := &syscall.SockaddrInet6{Port: l.Addr().(*net.TCPAddr).Port, Addr: netip.MustParseAddr("::ffff:127.0.0.1").As16()}
	if err := syscall.Connect(fd, at); err != nil {
		t.Fatal(err)
	}
	served, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer served.Close()
	if err := rule(t).Admit(served); err != nil {
		t.Error(err)
	}
}

// A client that has left has no owner: root, the kernel would say.
func TestClientThatLeftIsNobody(t *testing.T) {
	client, served := pair(t, "tcp", "127.0.0.1:0")
	client.Close()
	if err := rule(t).Admit(served); causes.SQLState(err) != "28000" || !errors.Is(err, errClientLeft) {
		t.Errorf("got %v", err)
	}
}

func TestConnectionsThatAreNoConcern(t *testing.T) {
	r := rule(t)
	r.owner = func(netip.AddrPort, netip.AddrPort) (string, error) { return "", errors.New("asked") }
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	if err := r.Admit(near); err != nil {
		t.Errorf("no TCP: %v", err)
	}
	if err := r.Admit(fakeConn{near, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 5}}); err != nil {
		t.Errorf("another machine: %v", err)
	}
	if err := r.Admit(fakeConn{near, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 5}}); err == nil {
		t.Error("loopback: not asked")
	}
}

// fakeConn has another remote address.
type fakeConn struct {
	net.Conn
	from net.Addr
}

func (f fakeConn) RemoteAddr() net.Addr { return f.from }

func TestRuleNamesUsers(t *testing.T) {
	r := rule(t, "12345", "root")
	ask := func(uid string) error {
		r.owner = func(netip.AddrPort, netip.AddrPort) (string, error) { return uid, nil }
		near, far := net.Pipe()
		defer near.Close()
		defer far.Close()
		return r.Admit(fakeConn{near, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 5}})
	}
	for uid, want := range map[string]bool{"12345": true, "0": true, r.me.Uid: true, "54321": false, "": false} {
		if err := ask(uid); (err == nil) != want {
			t.Errorf("user %q: %v, want let in: %v", uid, err, want)
		}
	}
	err := ask("54321")
	if !errors.Is(err, causes.OtherUser) || !strings.Contains(err.Error(), "belongs to 54321") || !strings.Contains(causes.Hint(err), "--allow-users 54321") {
		t.Errorf("another user: %v, hint %q", err, causes.Hint(err))
	}
	if r = rule(t, "any"); ask("54321") != nil {
		t.Error("`any` does not let in everybody")
	}
	if _, err := NewRule([]string{"no such user"}); !causes.Misused(err) {
		t.Errorf("an unknown user: %v", err)
	}
}

// Another user's client is found out by a system as it is.
func TestOtherUserIsKeptOut(t *testing.T) {
	if runtime.GOOS == "windows" || os.Getuid() != 0 {
		t.Skip("running a program as another user takes root")
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cmd := exec.Command("bash", "-c", `exec 3<>/dev/tcp/127.0.0.1/$0; read <&3`, l.Addr().String()[len("127.0.0.1:"):])
	cmd.SysProcAttr = as(t, nobody)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	served, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	err = rule(t).Admit(served)
	if !errors.Is(err, causes.OtherUser) || !strings.Contains(err.Error(), "belongs to nobody") {
		t.Errorf("got %v", err)
	}
	if err := rule(t, "nobody").Admit(served); err != nil {
		t.Errorf("when it is allowed: %v", err)
	}
	served.Close()
	cmd.Wait()
}

func BenchmarkAdmit(b *testing.B) {
	r, err := NewRule(nil)
	if err != nil {
		b.Fatal(err)
	}
	_, served := pair(b, "tcp", "127.0.0.1:0")
	b.ReportAllocs()
	for b.Loop() {
		if err := r.Admit(served); err != nil {
			b.Fatal(err)
		}
	}
}

var (
	oneClient = netip.MustParseAddrPort("127.0.0.1:50123")
	oneServer = netip.MustParseAddrPort("127.0.0.1:5432")
	sixClient = netip.MustParseAddrPort("[::1]:50124")
	sixServer = netip.MustParseAddrPort("[::1]:5432")
)

// A table as Linux writes it, with both ends of each connection.
const procTable = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 11111 1 0000000000000000 100 0 0 10 0
   1: 0100007F:1538 0100007F:C3CB 01 00000000:00000000 00:00000000 00000000  1000        0 22222 1 0000000000000000 20 4 30 10 -1
   2: 0100007F:C3CB 0100007F:1538 01 00000000:00000000 00:00000000 00000000  1001        0 33333 1 0000000000000000 20 4 30 10 -1
   3: 0100007F:C3CD 0100007F:1538 06 00000000:00000000 03:000016F9 00000000     0        0 0 3 0000000000000000
`

const proc6Table = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000001000000:C3CC 00000000000000000000000001000000:1538 01 00000000:00000000 00:00000000 00000000  1002        0 44444 1 0000000000000000 20 4 30 10 -1
   1: 0000000000000000FFFF00000100007F:C3CE 0000000000000000FFFF00000100007F:1538 01 00000000:00000000 00:00000000 00000000  1003        0 55555 1 0000000000000000 20 4 30 10 -1
`

func TestProcTable(t *testing.T) {
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Skip("the recorded table is that of a little-endian machine")
	}
	for _, test := range []struct {
		table          string
		client, server netip.AddrPort
		want           string
	}{
		{procTable, oneClient, oneServer, "1001"},
		{procTable, netip.MustParseAddrPort("127.0.0.1:50125"), oneServer, ""}, // TIME_WAIT
		{procTable, netip.MustParseAddrPort("127.0.0.1:1"), oneServer, ""},
		{proc6Table, sixClient, sixServer, "1002"},
		{proc6Table, netip.MustParseAddrPort("127.0.0.1:50126"), oneServer, "1003"},
		{"", oneClient, oneServer, ""},
	} {
		got, err := parseProc(strings.NewReader(test.table), test.client, test.server)
		if got != test.want || (err == nil) != (test.want != "") {
			t.Errorf("%v: %q, %v; want %q", test.client, got, err, test.want)
		}
	}
}

// pcbRecords are those of one connection, as macOS lays them out.
func pcbRecords(local, remote netip.AddrPort, uid uint32) []byte {
	pcb := make([]byte, 104)
	binary.LittleEndian.PutUint32(pcb, uint32(len(pcb)))
	binary.LittleEndian.PutUint32(pcb[4:], 0x10)
	binary.BigEndian.PutUint16(pcb[16:], remote.Port())
	binary.BigEndian.PutUint16(pcb[18:], local.Port())
	pcb[44] = 2
	if local.Addr().Is4() {
		pcb[44] = 1
		copy(pcb[60:], remote.Addr().AsSlice())
		copy(pcb[76:], local.Addr().AsSlice())
	} else {
		copy(pcb[48:], remote.Addr().AsSlice())
		copy(pcb[64:], local.Addr().AsSlice())
	}
	socket := make([]byte, 76+4) // padded
	binary.LittleEndian.PutUint32(socket, 76)
	binary.LittleEndian.PutUint32(socket[4:], 1)
	binary.LittleEndian.PutUint32(socket[64:], uid)
	buffer := make([]byte, 40)
	binary.LittleEndian.PutUint32(buffer, 36)
	binary.LittleEndian.PutUint32(buffer[4:], 2)
	return append(append(pcb, socket...), buffer...)
}

func pcbTable() []byte {
	table := make([]byte, 24)
	table = append(table, pcbRecords(oneServer, oneClient, 501)...)
	table = append(table, pcbRecords(oneClient, oneServer, 502)...)
	table = append(table, pcbRecords(sixClient, sixServer, 503)...)
	return append(table, make([]byte, 24)...)
}

func TestPCBList(t *testing.T) {
	for client, want := range map[netip.AddrPort]string{oneClient: "502", sixClient: "503", netip.MustParseAddrPort("127.0.0.1:1"): ""} {
		server := oneServer
		if client.Addr().Is6() {
			server = sixServer
		}
		if got, err := parsePCBs(pcbTable(), client, server); got != want || (err == nil) != (want != "") {
			t.Errorf("%v: %q, %v; want %q", client, got, err, want)
		}
	}
}

// windowsTable is a table of one connection's two ends.
func windowsTable(six bool, client, server netip.AddrPort) []byte {
	end := func(a netip.AddrPort) []byte {
		b := a.Addr().AsSlice()
		if six {
			b = append(b, 0, 0, 0, 0)
		}
		return append(binary.BigEndian.AppendUint16(b, a.Port()), 0, 0)
	}
	word := func(n uint32) []byte { return binary.LittleEndian.AppendUint32(nil, n) }
	table := word(2)
	for pid, ends := range [][2]netip.AddrPort{{server, client}, {client, server}} {
		if six {
			table = append(append(append(append(table, end(ends[0])...), end(ends[1])...), word(5)...), word(uint32(4+pid))...)
		} else {
			table = append(append(append(append(table, word(5)...), end(ends[0])...), end(ends[1])...), word(uint32(4+pid))...)
		}
	}
	return table
}

func TestTCPTable(t *testing.T) {
	for _, test := range []struct {
		six            bool
		client, server netip.AddrPort
	}{{false, oneClient, oneServer}, {true, sixClient, sixServer}} {
		table := windowsTable(test.six, test.client, test.server)
		if pid, err := parseTCPTable(table, test.six, test.client, test.server); pid != 5 || err != nil {
			t.Errorf("IPv6 %v: %d, %v; want 5", test.six, pid, err)
		}
		if _, err := parseTCPTable(table, test.six, netip.MustParseAddrPort("127.0.0.1:1"), test.server); !errors.Is(err, errClientLeft) {
			t.Errorf("nobody: %v", err)
		}
	}
}

func FuzzTables(f *testing.F) {
	f.Add(pcbTable())
	f.Add(windowsTable(false, oneClient, oneServer))
	f.Add(windowsTable(true, sixClient, sixServer))
	f.Add([]byte(procTable + proc6Table))
	f.Fuzz(func(t *testing.T, table []byte) {
		parsePCBs(table, oneClient, oneServer)
		parseTCPTable(table, false, oneClient, oneServer)
		parseTCPTable(table, true, sixClient, sixServer)
		parseProc(strings.NewReader(string(table)), oneClient, oneServer)
	})
}
