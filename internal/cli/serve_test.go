package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/pgkeyless/pgkeyless/internal/running"
	"github.com/pgkeyless/pgkeyless/internal/testenv"
)

// serveRun is a serve command in this process, with signals by channel.
type serveRun struct {
	signals chan os.Signal
	stderr  *bufio.Reader
	code    chan int
	stdout  strings.Builder
}

// start serves with args until the test sends a signal.
func start(t *testing.T, args ...string) *serveRun {
	t.Helper()
	r, w := io.Pipe()
	s := &serveRun{signals: make(chan os.Signal, 2), stderr: bufio.NewReader(r), code: make(chan int, 1)}
	a := &app{
		stdout:  &s.stdout,
		stderr:  &lockedWriter{w: w},
		environ: os.Environ(),
		flags:   map[string]string{},
		notify:  func() (<-chan os.Signal, func()) { return s.signals, func() {} },
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.code <- a.run(ctx, args)
		w.Close()
	}()
	t.Cleanup(func() {
		r.Close() // a blocked log line must not hold the run
		cancel()
		<-done
	})
	return s
}

// readUntil returns the lines of stderr up to and with the one that begins with
// last, or all there are.
func (s *serveRun) readUntil(last string) string {
	var text strings.Builder
	for {
		line, err := s.stderr.ReadString('\n')
		text.WriteString(line)
		if err != nil || strings.HasPrefix(line, last) {
			return text.String()
		}
	}
}

func TestServeSaysWhereAndEndsWithItsSignal(t *testing.T) {
	dir := testenv.Isolate(t)
	s := start(t, "--via=none", "-p", "0", "--user=app_user", "--dbname", "app", testenv.Orders, testenv.Billing+"?unix-socket=none&user=bob")
	got := s.readUntil("  jdbc:") + s.readUntil("  jdbc:")
	lines := strings.Split(strings.TrimSpace(got), "\n")
	m := regexp.MustCompile(`^Listening on (127\.0\.0\.1:(\d+)) for ` + testenv.Orders + `$`).FindStringSubmatch(lines[0])
	if m == nil {
		t.Fatalf("stderr %q does not begin with a listener", got)
	}
	port := m[2]
	second := regexp.MustCompile(`127\.0\.0\.1:(\d+) for ` + testenv.Billing).FindStringSubmatch(got)
	if second == nil {
		t.Fatalf("stderr %q lacks the second target's listener", got)
	}
	want := []string{lines[0]}
	if testenv.HasIPv6() {
		want = append(want, "Listening on [::1]:"+port+" for "+testenv.Orders)
		checkAnswers(t, "tcp", "[::1]:"+port)
	}
	if runtime.GOOS != "windows" {
		path := filepath.Join(dir, "pgkeyless", ".s.PGSQL."+port)
		want = append(want, "Listening on "+path+" for "+testenv.Orders)
		checkAnswers(t, "unix", path)
	}
	checkAnswers(t, "tcp", m[1])
	want = append(want, "Listening on 127.0.0.1:"+second[1]+" for "+testenv.Billing)
	if testenv.HasIPv6() {
		want = append(want, "Listening on [::1]:"+second[1]+" for "+testenv.Billing)
	}
	want = append(want,
		"pgkeyless is ready for new connections",
		testenv.Orders+":",
		"  psql -h 127.0.0.1 -p "+port+" -U app_user app",
		"  postgresql://app_user@127.0.0.1:"+port+"/app",
		"  jdbc:postgresql://127.0.0.1:"+port+"/app?user=app_user",
		testenv.Billing+":",
		"  psql -h 127.0.0.1 -p "+second[1]+" -U bob app",
		"  postgresql://bob@127.0.0.1:"+second[1]+"/app",
		"  jdbc:postgresql://127.0.0.1:"+second[1]+"/app?user=bob",
	)
	if strings.Join(lines, "\n") != strings.Join(want, "\n") {
		t.Errorf("stderr\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}

	s.signals <- syscall.SIGTERM
	rest := s.readUntil("nothing: to the end")
	if code := <-s.code; code != 143 {
		t.Errorf("code %d after SIGTERM, want 143; stderr %q", code, rest)
	}
	if s.stdout.Len() > 0 {
		t.Errorf("stdout %q, want nothing", &s.stdout)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "pgkeyless", ".s.*")); len(left) > 0 {
		t.Errorf("sockets left behind: %v", left)
	}
}

// checkAnswers connects and says goodbye before any packet.
func checkAnswers(t *testing.T, network, address string) {
	t.Helper()
	c, err := net.Dial(network, address)
	if err != nil {
		t.Errorf("listener does not answer: %v", err)
		return
	}
	c.Close()
}

func TestServeStructuredAndQuiet(t *testing.T) {
	testenv.Isolate(t)
	s := start(t, "-l", "--via", testenv.Jump, "-p", "0", "--exit-zero-on-sigterm", testenv.Orders)
	var messages []string
	var last map[string]string
	for last["message"] != "connect with" {
		line := s.readUntil("{")
		if line == "" {
			t.Fatalf("stderr ended after %v", messages)
		}
		last = decode(t, line)
		messages = append(messages, last["message"])
	}
	if !strings.HasPrefix(messages[0], "Listening on 127.0.0.1:") || messages[len(messages)-2] != "pgkeyless is ready for new connections" ||
		!strings.HasPrefix(last["psql"], "psql -h 127.0.0.1 -p ") || !strings.HasPrefix(last["jdbc"], "jdbc:postgresql://127.0.0.1:") {
		t.Errorf("messages %q, last record %v", messages, last)
	}
	s.signals <- syscall.SIGTERM
	s.readUntil("nothing: to the end")
	if code := <-s.code; code != 0 {
		t.Errorf("code %d after SIGTERM with --exit-zero-on-sigterm, want 0", code)
	}

	s = start(t, "--quiet", "--via", testenv.Jump, "-p", "0", testenv.Orders)
	s.signals <- os.Interrupt
	if stderr := s.readUntil("nothing: to the end"); stderr != "" {
		t.Errorf("stderr %q with --quiet, want nothing", stderr)
	}
	if code := <-s.code; code != 130 {
		t.Errorf("code %d after SIGINT, want 130", code)
	}
}

func TestServeWarns(t *testing.T) {
	dir := testenv.Isolate(t)
	if err := os.WriteFile(filepath.Join(dir, "config"), []byte("[profile dev]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_SESSION_TOKEN", "stale")
	t.Setenv("AWS_PROFILE", "dev")
	s := start(t, "--via", testenv.Jump, "-p", "0", "--allow-anyone", testenv.Orders+"?address=0.0.0.0", testenv.Billing+"?address=localhost")
	text := s.readUntil("pgkeyless is ready")
	if n := strings.Count(text, " warn "); n != 2 {
		t.Errorf("%d warnings, want 2:\n%s", n, text)
	}
	for _, want := range []string{"AWS_SESSION_TOKEN", "without a password"} {
		if !strings.Contains(text, want) {
			t.Errorf("warnings lack %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "stale") {
		t.Errorf("a session token is printed:\n%s", text)
	}
	listening := regexp.MustCompile(`Listening on (0\.0\.0\.0:\d+)`).FindStringSubmatch(text)
	if listening == nil || !strings.Contains(text, "address="+listening[1]+" ") {
		t.Errorf("0.0.0.0 is not listened on as such, or the warning has another port:\n%s", text)
	}
}

func TestPortInUse(t *testing.T) {
	testenv.Isolate(t)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	code, _, stderr := pgkeyless(t, testenv.Orders+"?port=0", testenv.Billing, "--via", testenv.Jump, "-p", fmt.Sprint(port))
	want := fmt.Sprintf("pgkeyless: error: port %d on 127.0.0.1 is already in use\npgkeyless: hint: a local PostgreSQL or another pgkeyless may hold it; "+
		"choose another with --port %d, or for this target only in its query string: '%s?port=%[2]d&…'\n", port, port%65535+1, testenv.Billing)
	if code != 1 || stderr != want {
		t.Errorf("code %d, stderr\n%swant code 1 and\n%s", code, stderr, want)
	}

	enrolled := new(running.Enrolment)
	if err := enrolled.Renew([]running.Served{{Name: "stock", Address: l.Addr().String()}}); err != nil {
		t.Fatal(err)
	}
	defer enrolled.Withdraw()
	_, _, stderr = pgkeyless(t, testenv.Billing, "--via", testenv.Jump, "-p", fmt.Sprint(port))
	want = fmt.Sprintf("pgkeyless: error: port %d on 127.0.0.1 is already in use: a running pgkeyless serves \"stock\" there\npgkeyless: hint: choose another with --port %d", port, port%65535+1)
	if !strings.HasPrefix(stderr, want) {
		t.Errorf("beside a pgkeyless: stderr\n%swant\n%s", stderr, want)
	}
}
