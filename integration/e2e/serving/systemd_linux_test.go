package serving

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sys/unix"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// manager stands in for systemd: what NOTIFY_SOCKET leads to.
type manager struct {
	t    *testing.T
	conn *net.UnixConn
	path string
}

func startManager(t *testing.T) *manager {
	t.Helper()
	dir, err := os.MkdirTemp("", "pgk-") // short enough for a socket in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &manager{t, conn, path}
}

// env has systemd's variables beside those of env.
func (m *manager) env(more ...string) func([]string) []string {
	return func(env []string) []string {
		return append(append(env, "NOTIFY_SOCKET="+m.path), more...)
	}
}

// next is the next message, by its assignments.
func (m *manager) next() map[string]string {
	m.t.Helper()
	if err := m.conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		m.t.Fatal(err)
	}
	buffer := make([]byte, 4096)
	n, err := m.conn.Read(buffer)
	if err != nil {
		m.t.Fatalf("systemd hears nothing: %v", err)
	}
	message := map[string]string{}
	for line := range strings.SplitSeq(string(buffer[:n]), "\n") {
		name, value, ok := strings.Cut(line, "=")
		if !ok {
			m.t.Errorf("%q is no message", buffer[:n])
		}
		message[name] = value
	}
	return message
}

// await is the next message that has name; others are passed over.
func (m *manager) await(name string) map[string]string {
	m.t.Helper()
	for {
		if message := m.next(); message[name] != "" {
			return message
		}
	}
}

// mustSay checks a message's status.
func (m *manager) mustSay(message map[string]string, status string) {
	m.t.Helper()
	if !regexp.MustCompile("^" + status + "$").MatchString(message["STATUS"]) {
		m.t.Errorf("%v, want STATUS=%s", message, status)
	}
}

// awaitStatus waits until systemd is told that status.
func (m *manager) awaitStatus(status string) {
	m.t.Helper()
	for want := regexp.MustCompile("^" + status + "$"); !want.MatchString(m.await("STATUS")["STATUS"]); {
	}
}

// monotonic is systemd's clock in microseconds.
func monotonic(t *testing.T) int64 {
	t.Helper()
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		t.Fatal(err)
	}
	return now.Nano() / 1000
}

// TestSystemdHearsHowARunGoes tells a stand-in for systemd of a start, of a reload, of
// one that is refused, of logins that fail, and of a drain.
func TestSystemdHearsHowARunGoes(t *testing.T) {
	good := "defaults: {via: " + lab.Target + "}\ntargets:\n" + section("orders")
	path := configFile(t, good)
	m := startManager(t)
	w := rig.Start(t, rig.Setup{Args: []string{"--config-file", path}, Env: m.env()})
	ready := m.next()
	if ready["READY"] != "1" {
		t.Errorf("the first message is %v, want READY=1", ready)
	}
	m.mustSay(ready, "serving orders: 0 sessions")

	reload := func(text, status string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		before := monotonic(t)
		if err := w.Proxy.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		reloading := m.await("RELOADING")
		if at, err := strconv.ParseInt(reloading["MONOTONIC_USEC"], 10, 64); err != nil || at < before || at > monotonic(t) {
			t.Errorf("%v, want MONOTONIC_USEC after %d", reloading, before)
		}
		m.mustSay(m.await("READY"), status)
	}
	reload(good+section("reports"), "serving orders, reports: 0 sessions")
	reload("targets: [", "serving orders, reports: 0 sessions; last reload refused")
	reload(good, "serving orders: 0 sessions")

	conn := w.Connect("")
	m.awaitStatus("serving orders: 1 session")
	if _, err := w.TryConnect("user=nobody_here"); err == nil {
		t.Error("a user that does not exist is logged in")
	}
	m.awaitStatus(`serving orders: 1 session; logins to orders fail since \d\d:\d\d:\d\d`)

	if err := w.Proxy.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	stopping := m.await("STOPPING")
	m.mustSay(stopping, "stopping, 1 session; logins to orders fail since .*")
	if stopping["EXTEND_TIMEOUT_USEC"] != "45000000" {
		t.Errorf("%v, want the drain's 30 s and 15 s more", stopping)
	}
	conn.Close(t.Context())
	if code := w.AwaitExit(); code != 143 {
		t.Errorf("exit code %d, want 143", code)
	}
}

// TestWatchdogGetsKeepAlives counts them while pgkeyless serves, and while it drains.
func TestWatchdogGetsKeepAlives(t *testing.T) {
	m := startManager(t)
	w := rig.Start(t, rig.Setup{Env: m.env("WATCHDOG_USEC=1500000")})
	conn := w.Connect("")
	for range 4 {
		m.await("WATCHDOG")
	}
	if err := w.Proxy.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	m.await("STOPPING")
	for range 2 {
		m.await("WATCHDOG")
	}
	conn.Close(t.Context())
	if code := w.AwaitExit(); code != 143 {
		t.Errorf("exit code %d, want 143", code)
	}
	if strings.Contains(w.Proxy.Output(), "no keep-alive") {
		t.Errorf("pgkeyless took itself for dead:\n%s", w.Proxy.Output())
	}
}

// passed has the command start with files from descriptor 3 on, which systemd would
// have named so. Only a shell can know the process's id before it starts.
func passed(t *testing.T, names []string, files ...*os.File) func(*exec.Cmd) {
	t.Helper()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	return func(cmd *exec.Cmd) {
		cmd.Args = append([]string{sh, "-c", `export LISTEN_PID=$$; exec "$0" "$@"`, cmd.Path}, cmd.Args[1:]...)
		cmd.Path = sh
		cmd.ExtraFiles = files
		cmd.Env = append(cmd.Env, fmt.Sprintf("LISTEN_FDS=%d", len(files)), "LISTEN_FDNAMES="+strings.Join(names, ":"))
	}
}

// opened listens as systemd does, and returns the socket and where it is.
func opened(t *testing.T, network, address string) (file *os.File, at string) {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	at = l.Addr().String()
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false)
	}
	file, err = l.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		t.Fatal(err)
	}
	l.Close() // the file stays open
	t.Cleanup(func() { file.Close() })
	return file, at
}

// TestSocketsOfSystemdAreServedByName passes one target its sockets, the shared port's
// targets theirs, and lets another open its own. A client that comes before pgkeyless
// runs is served.
func TestSocketsOfSystemdAreServedByName(t *testing.T) {
	dir, err := os.MkdirTemp("", "pgk-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	tcp, tcpAt := opened(t, "tcp", "127.0.0.1:0")
	sock, sockAt := opened(t, "unix", filepath.Join(dir, ".s.PGSQL.5433"))
	guarded, guardedAt := opened(t, "tcp", "127.0.0.1:0")
	early := make(chan error, 1)
	go func() {
		conn, err := pgx.Connect(t.Context(), "postgresql://app_user@"+tcpAt+"/app?sslmode=disable&connect_timeout=60")
		if err == nil {
			err = conn.Close(t.Context())
		}
		early <- err
	}()
	path := configFile(t, "defaults: {via: "+lab.Target+"}\ntargets:\n"+section("orders")+section("reports", "read-only: true")+section("own"))
	w := rig.Start(t, rig.Setup{Args: []string{"--config-file", path}, Change: passed(t, []string{"orders", "orders", "reports"}, tcp, sock, guarded)})
	if err := <-early; err != nil {
		t.Errorf("the client that came early: %v", err)
	}
	check := func() {
		t.Helper()
		for at, want := range map[string]string{tcpAt: "off", sockAt: "off", guardedAt: "on"} {
			host, port, _ := net.SplitHostPort(at)
			if filepath.IsAbs(at) {
				host, port = dir, "5433"
			}
			out, errs, err := rig.Psql(t, fmt.Sprintf("host=%s port=%s user=%s dbname=%s", host, port, pgserver.AppUser, pgserver.Database), "-c", "show default_transaction_read_only")
			if err != nil || out != want {
				t.Errorf("%s: read-only is %q, %v, want %s\n%s", at, out, err, want, errs)
			}
		}
	}
	check()
	addresses, sockets := w.Proxy.Addresses(), w.Proxy.Sockets()
	if len(addresses) != 3 || addresses[0] != tcpAt || addresses[1] != guardedAt || len(sockets) != 3 || sockets[0] != sockAt {
		t.Errorf("listening on %q and %q; want %s, %s and one more, %s and two more", addresses, sockets, tcpAt, guardedAt, sockAt)
	}
	if err := w.Proxy.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	w.AwaitLine("configuration reloaded")
	check()
	if _, err := os.Stat(sockAt); err != nil {
		t.Errorf("systemd's socket: %v", err)
	}
}

// TestSharedSocketOfSystemd passes the shared port, and beside it a socket of one of its
// targets.
func TestSharedSocketOfSystemd(t *testing.T) {
	shared, sharedAt := opened(t, "tcp", "127.0.0.1:0")
	own, ownAt := opened(t, "tcp", "127.0.0.1:0")
	path := configFile(t, "shared-port: true\ndefaults: {via: "+lab.Target+"}\ntargets:\n"+section("orders")+section("reports", "read-only: true"))
	w := rig.Start(t, rig.Setup{Args: []string{"--config-file", path}, Change: passed(t, []string{"shared-port", "reports"}, shared, own)})
	if got := w.Proxy.Addresses(); !slices.Equal(got, []string{sharedAt, ownAt}) {
		t.Errorf("listening on %q, want %s and %s", got, sharedAt, ownAt)
	}
	for _, tt := range [][3]string{{sharedAt, "@orders", "off"}, {sharedAt, "@reports", "on"}, {ownAt, "", "on"}} {
		host, port, _ := net.SplitHostPort(tt[0])
		out, errs, err := rig.Psql(t, fmt.Sprintf("host=%s port=%s user=%s%s dbname=%s", host, port, pgserver.AppUser, tt[1], pgserver.Database), "-c", "show default_transaction_read_only")
		if err != nil || out != tt[2] {
			t.Errorf("%s%s: read-only is %q, %v, want %s\n%s", tt[0], tt[1], out, err, tt[2], errs)
		}
	}
}

func TestSocketsThatFitNothing(t *testing.T) {
	listening, _ := opened(t, "tcp", "127.0.0.1:0")
	unused, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	idle := os.NewFile(uintptr(unused), "idle")
	defer idle.Close()
	pipe, end, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	defer end.Close()
	path := configFile(t, "defaults: {via: "+lab.Target+"}\ntargets:\n"+section("orders")+section("reports"))
	for _, tt := range []struct {
		name, fdname string
		file         *os.File
		err, hint    string
	}{
		{"another name", "order", listening, `systemd passed a socket named "order" for 127.0.0.1:`, "FileDescriptorName= in the socket unit to one of: orders, reports"},
		{"no shared port", "shared-port", listening, `systemd passed a socket named "shared-port"`, "one of: orders, reports"},
		{"not listening", "orders", idle, `systemd passed "orders", which cannot be served: not a listening socket`, "Accept=no"},
		{"no socket", "orders", pipe, `systemd passed "orders", which cannot be served: `, "ListenStream="},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), rig.Shared.Binary, "serve", "--config-file", path, "--port", "0")
			cmd.Env = []string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}
			passed(t, []string{tt.fdname}, tt.file)(cmd)
			out, err := cmd.CombinedOutput()
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			lines = slices.DeleteFunc(lines, func(l string) bool { return !strings.HasPrefix(l, "pgkeyless: ") })
			if err == nil || len(lines) != 2 || !strings.HasPrefix(lines[0], "pgkeyless: error: "+tt.err) || !strings.Contains(lines[1], tt.hint) {
				t.Errorf("%v:\n%swant error %s and hint %s", err, out, tt.err, tt.hint)
			}
		})
	}
}

// TestReadyFD reads what a script would, and connects by it.
func TestReadyFD(t *testing.T) {
	r, end, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	w := rig.Start(t, rig.Setup{
		Args:   []string{lab.TargetArg(rig.Shared.Database.CAFile(), "user="+pgserver.AppUser, "dbname="+pgserver.Database)},
		Flags:  []string{"--ready-fd", "3"},
		Change: func(cmd *exec.Cmd) { cmd.ExtraFiles = []*os.File{end} },
	})
	end.Close()
	if err := r.SetReadDeadline(time.Now().Add(3 * time.Minute)); err != nil { // with the connections
		t.Fatal(err)
	}
	var places []string
	lines := json.NewDecoder(r)
	lines.DisallowUnknownFields()
	for {
		var line struct {
			Target, Address, Socket, Host, User, Database, URL string
			Port                                               int
		}
		if err := lines.Decode(&line); err != nil {
			if err.Error() != "EOF" {
				t.Errorf("after %q: %v", places, err)
			}
			break
		}
		places = append(places, line.Address+line.Socket)
		conn, err := pgx.Connect(t.Context(), line.URL)
		if err != nil {
			t.Errorf("%s: %v", line.URL, err)
			continue
		}
		conn.Close(t.Context())
		if line.Target != lab.Host || line.User != pgserver.AppUser || line.Database != pgserver.Database || line.Host == "" || line.Port == 0 {
			t.Errorf("line %+v", line)
		}
	}
	if !slices.Contains(places, w.Proxy.Addresses()[0]) || !slices.Contains(places, w.Proxy.Sockets()[0]) {
		t.Errorf("told of %q, want %q and %q", places, w.Proxy.Addresses(), w.Proxy.Sockets())
	}

	_, stderr, code := rig.Run(t, nil, "serve", lab.Host+"?via=none", "--port", "0", "--ready-fd", "77")
	if code != 1 || !strings.Contains(stderr, "--ready-fd 77: this file descriptor is not open") || !strings.Contains(stderr, "77>ready.json") {
		t.Errorf("code %d, stderr %s", code, stderr)
	}
}
