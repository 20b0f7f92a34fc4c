package cli

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/testenv"
)

// reloadable is a run with a config file. Its stderr is read all the time, or
// sessions would wait for their log lines.
type reloadable struct {
	*serveRun
	t     *testing.T
	path  string
	lines chan string
}

func startReloadable(t *testing.T, text string, args ...string) *reloadable {
	t.Helper()
	r := &reloadable{t: t, path: filepath.Join(testenv.Isolate(t), "c.yaml"), lines: make(chan string, 1000)}
	r.rewrite(text)
	r.serveRun = start(t, append(args, "--config-file", r.path)...)
	go func() { // ends with the run, which start's cleanup ends
		defer close(r.lines)
		for {
			line, err := r.stderr.ReadString('\n')
			if err != nil {
				return
			}
			r.lines <- line
		}
	}()
	return r
}

func (r *reloadable) rewrite(text string) {
	r.t.Helper()
	if err := os.WriteFile(r.path, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// told returns the lines up to and with the one that has words in it, but for
// those of sessions.
func (r *reloadable) told(words string) string {
	var text strings.Builder
	for line := range r.lines {
		if !strings.Contains(line, " session=") {
			text.WriteString(line)
		}
		if strings.Contains(line, words) {
			break
		}
	}
	return text.String()
}

// reload signals and returns what is told up to words.
func (r *reloadable) reload(words string) string {
	r.signals <- syscall.SIGHUP
	return r.told(words)
}

// addressOf finds the TCP listener of a target among lines.
func addressOf(t *testing.T, lines, target string) string {
	t.Helper()
	m := regexp.MustCompile(`Listening on (127\.0\.0\.1:\d+) for ` + target + `\b`).FindStringSubmatch(lines)
	if m == nil {
		t.Fatalf("no listener for %s in\n%s", target, lines)
	}
	return m[1]
}

// speaks asks for TLS on a connection to pgkeyless, which has it.
func speaks(t *testing.T, c net.Conn) {
	t.Helper()
	c.SetDeadline(time.Now().Add(time.Minute))
	answer := []byte{0}
	if _, err := c.Write([]byte{0, 0, 0, 8, 4, 210, 22, 47}); err != nil {
		t.Errorf("SSLRequest: %v", err)
	} else if _, err := c.Read(answer); err != nil || answer[0] != 'S' {
		t.Errorf("SSLRequest is answered with %q, %v", answer, err)
	}
}

func dialTCP(t *testing.T, address string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatalf("dialling %s: %v", address, err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

const reloadHead = "defaults: {via: none, port: 0, unix-socket: none}\ntargets:\n"

func TestHangupReloadsTheConfigFile(t *testing.T) {
	database := func(name string) string { return "  " + name + ": {database: " + testenv.Billing + "}\n" }
	s := startReloadable(t, reloadHead+database("stays")+database("goes"))
	first := s.told("pgkeyless is ready") + s.told("  jdbc:") + s.told("  jdbc:")
	stays, goes := addressOf(t, first, "stays"), addressOf(t, first, "goes")
	atStays, atGoes := dialTCP(t, stays), dialTCP(t, goes)
	speaks(t, dialTCP(t, goes)) // so that atGoes has been accepted too

	s.rewrite(reloadHead + "  stays: {database: " + testenv.Billing + ", read-only: true}\n" + database("comes"))
	told := s.reload("configuration reloaded")
	if got := addressOf(t, told, `stays \(default_transaction_read_only=on`); got != stays {
		t.Errorf("stays moved from %s to %s", stays, got)
	}
	for _, want := range []string{"targets=2", "added=[comes]", "removed=[goes]"} {
		if !strings.Contains(told, want) {
			t.Errorf("lacks %s:\n%s", want, told)
		}
	}
	speaks(t, dialTCP(t, addressOf(t, told, "comes")))
	speaks(t, atStays)
	speaks(t, atGoes)
	if c, err := net.Dial("tcp", goes); err == nil {
		c.Close()
		t.Errorf("%s is open, whose target is gone", goes)
	}

	// The same again: nothing to tell, nothing moves.
	if told = s.reload("configuration reloaded"); strings.Contains(told, "Listening on") {
		t.Errorf("listeners told again:\n%s", told)
	}
	s.rewrite("quiet: true\nlogin-timeout: 2m\n" + reloadHead + database("stays") + database("comes"))
	if told, want := s.reload("configuration reloaded"), `they take effect at the next start options="[login-timeout quiet]"`; !strings.Contains(told, want) {
		t.Errorf("other options of the process: lacks %s in\n%s", want, told)
	}
	s.signals <- syscall.SIGTERM
	s.told("nothing: to the end")
	if code := <-s.code; code != 143 {
		t.Errorf("code %d after SIGTERM, want 143", code)
	}
}

func TestWrongConfigFileIsNotReloaded(t *testing.T) {
	taken, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	text := reloadHead + "  orders: {database: " + testenv.Orders + "}\n"
	s := startReloadable(t, text)
	address := addressOf(t, s.told("  jdbc:"), "orders")
	_, port, _ := net.SplitHostPort(address)
	if beside, err := net.Listen("tcp4", "127.0.0.2:"+port); err == nil { // Linux has the whole of 127.0.0.0/8
		defer beside.Close()
	}
	moved := func(to string) string {
		return fmt.Sprintf("defaults: {via: none, unix-socket: none, address: %s, port: %s}\ntargets: {orders: {database: %s}}\n", to, port, testenv.Orders)
	}
	for _, tt := range []struct{ name, text, want string }{
		{"a mistake", "tagrets: {}\n", `:1: unknown key \"tagrets\"" hint="did you mean targets?"`},
		{"no target", "defaults: {via: none}\n", "no target given"},
		{"a port in use", fmt.Sprintf("%s  new: {database: %s, port: %d}\n", text, testenv.Billing, taken.Addr().(*net.TCPAddr).Port), "is already in use"},
		{"no such file for a target", text + "  new: {database: " + testenv.Billing + ", ca-file: none.pem}\n", "none.pem"},
		{"a wider address on the same port", moved("0.0.0.0"),
			"pgkeyless itself listens on " + address},
		{"an address of another machine on the same port", moved("203.0.113.1"), "not an address of this machine"},
		{"an address whose port another has", moved("127.0.0.2"), "a local PostgreSQL or another pgkeyless may hold it"},
	} {
		if strings.Contains(tt.name, "address") && runtime.GOOS != "linux" {
			// Others let one wildcard and one address have the same port, or have one loopback address.
			t.Logf("%s: not tried on %s", tt.name, runtime.GOOS)
			continue
		}
		s.rewrite(tt.text)
		if told := s.reload("configuration not reloaded, keeping the old one"); !strings.Contains(told, tt.want) || strings.Count(told, "\n") != 1 {
			t.Errorf("%s: told\n%swant one line with %s", tt.name, told, tt.want)
		}
		speaks(t, dialTCP(t, address))
	}
	s.rewrite("quiet: true\n" + text)
	if told := s.reload("configuration reloaded"); !strings.Contains(told, "take effect at the next start") {
		t.Errorf("told\n%swant a word on the option of the process", told)
	}
}

// Ports stay where they are when targets move onto a shared one and back.
func TestReloadOntoASharedPort(t *testing.T) {
	text := "defaults: {via: none, unix-socket: none, port: %d}\ntargets: {orders: {database: " + testenv.Orders + "}}\n"
	port := freePort(t)
	s := startReloadable(t, fmt.Sprintf(text, port))
	address := addressOf(t, s.told("  jdbc:"), "orders")
	waiting := dialTCP(t, address)
	for _, head := range []string{"shared-port: true\n", ""} {
		s.rewrite(head + fmt.Sprintf(text, port))
		s.reload("configuration reloaded")
		speaks(t, dialTCP(t, address))
	}
	speaks(t, waiting)
}

// freePort is a free port below those that systems give to who asks for any: nobody
// is given it before it is used.
func freePort(t *testing.T) int {
	t.Helper()
	for range 100 {
		port := 20000 + rand.N(10000)
		if l, err := net.Listen("tcp4", fmt.Sprint("127.0.0.1:", port)); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}

// A reload ends where a restart would, and warns of the same.
func TestReloadEndsWhereARestartWould(t *testing.T) {
	const before = "defaults: {via: none, unix-socket: none}\ntargets: {orders: {database: " + testenv.Orders + "}}\n"
	port := freePort(t)
	after := strings.Replace(before, "}}\n", fmt.Sprintf("}, billing: {database: %s, port: %d}}\n", testenv.Billing, freePort(t)), 1)
	r := startReloadable(t, before, "--shared-port", "--port", fmt.Sprint(port))
	r.told("  jdbc:")
	r.rewrite(after)
	reloaded := r.reload("configuration reloaded")
	warning := "--port overrides the ports of targets in the config file targets=billing"
	if !strings.Contains(reloaded, warning) {
		t.Errorf("the reload does not warn:\n%s", reloaded)
	}
	r.signals <- os.Interrupt
	<-r.code
	r = startReloadable(t, after, "--shared-port", "--port", fmt.Sprint(port))
	restarted := r.told("  jdbc:")
	if !strings.Contains(restarted, warning) {
		t.Errorf("the restart does not warn:\n%s", restarted)
	}
	line := fmt.Sprintf("Listening on 127.0.0.1:%d for orders, billing\n", port)
	if !strings.Contains(reloaded, line) || !strings.Contains(restarted, line) {
		t.Errorf("after the reload\n%safter a restart\n%swant both with %q", reloaded, restarted, line)
	}
}
