package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
)

func TestDisconnect(t *testing.T) {
	w := start(t, rig.Setup{})
	conn := w.Connect("application_name=to_be_ended")
	other := w.Connect("")
	d := w.status(0)
	var id uint64
	for _, c := range d.Clients {
		if c.Application == "to_be_ended" {
			id = c.ID
		}
	}
	sleeping := w.Sleeping(conn)
	if _, stderr, code := w.pgkeyless("disconnect", fmt.Sprint(id)); code != 0 || stderr != fmt.Sprintf("session %d ends\n", id) {
		t.Errorf("disconnect ends with %d: %s", code, stderr)
	}
	var said *pgconn.PgError
	if err := <-sleeping; !errors.As(err, &said) || said.Code != "57P01" || !strings.Contains(said.Message, "on request") || said.Hint == "" || said.Detail == "" {
		t.Errorf("its client gets %v", err)
	}
	if err := other.Ping(t.Context()); err != nil {
		t.Errorf("the other client: %v", err)
	}
	w.await("the session's end", func() bool { // which its client hears of first
		return !slices.ContainsFunc(w.status(0).Clients, func(c client) bool { return c.ID == id })
	})
	for _, args := range [][]string{{"disconnect", fmt.Sprint(id)}, {"disconnect", "x"}, {"disconnect"}, {"disconnect", "1", "nothing"}} {
		if _, stderr, code := w.pgkeyless(args...); code != 1 || !strings.Contains(stderr, "hint:") {
			t.Errorf("%q ends with %d: %s", args, code, stderr)
		}
	}
}

// Who waits for a proxy that starts is let go when it is ready.
func TestWaitForAProxyThatStarts(t *testing.T) {
	home := t.TempDir()
	var errs bytes.Buffer
	cmd := exec.Command(rig.Shared.Binary, "wait", "--max", "2m")
	cmd.Env, cmd.Stderr = []string{"HOME=" + home}, &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w := start(t, rig.Setup{Env: func(env []string) []string { return append(env, "HOME="+home) }})
	if err := cmd.Wait(); err != nil {
		t.Errorf("wait: %v: %s\n%s", err, errs.String(), w.Proxy.Output())
	}
	if _, stderr, code := rig.Run(t, nil, "wait", "--max", "50ms"); code != 1 || !strings.Contains(stderr, "not ready after 50ms") {
		t.Errorf("wait for nobody ends with %d: %s", code, stderr)
	}
}

// With several proxies, what changes something wants to know which.
func TestSeveralProxies(t *testing.T) {
	first := start(t, rig.Setup{Args: []string{"--config-file", writeFile(t, config(orders()))}})
	second := start(t, rig.Setup{
		Args: []string{"--config-file", writeFile(t, strings.Replace(config(orders()), "  orders:", "  reports:", 1))},
		Env:  func(env []string) []string { return append(env, "HOME="+first.Home) },
	})
	text, _, code := first.pgkeyless("status")
	if code != 0 || strings.Count(text, "pgkeyless ") < 2 || !strings.Contains(text, "orders") || !strings.Contains(text, "reports") {
		t.Errorf("status ends with %d: %s", code, text)
	}
	if _, stderr, code := first.pgkeyless("shutdown"); code != 1 || !strings.Contains(stderr, "2 proxies are running") || !strings.Contains(stderr, "serves reports") {
		t.Errorf("shutdown ends with %d: %s", code, stderr)
	}
	if _, stderr, code := first.pgkeyless("shutdown", "reports"); code != 0 {
		t.Errorf("shutdown of one ends with %d: %s", code, stderr)
	}
	if code := second.AwaitExit(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	if text, _, code := first.pgkeyless("status"); code != 0 || strings.Contains(text, "reports") {
		t.Errorf("status afterwards ends with %d: %s", code, text)
	}
	if _, stderr, code := first.pgkeyless("status", "nothing"); code != 1 || !strings.Contains(stderr, "running proxies serve orders") {
		t.Errorf("status of nothing ends with %d: %s", code, stderr)
	}
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

// Where there is no registry, as in a container, a port takes its place.
func TestWithoutARegistry(t *testing.T) {
	port := rig.FreePort(t)
	w := rig.Start(t, rig.Setup{
		Flags: []string{"--quitquitquit", "--admin-port", port},
		Env: func(env []string) []string { // a home that cannot be written to
			return append(rig.Without("HOME")(env), "HOME=/proc/nowhere", "XDG_RUNTIME_DIR=/proc/nowhere")
		},
	})
	run := func(env []string, args ...string) (string, string, int) { return rig.Run(t, env, args...) }
	variables := []string{"PGKEYLESS_ADMIN_PORT=" + port, "PGKEYLESS_QUITQUITQUIT=true"}
	if _, stderr, code := run(variables, "wait", "--max", "30s"); code != 0 {
		t.Errorf("wait by variables ends with %d: %s", code, stderr)
	}
	stdout, stderr, code := run(nil, "status", "--json", "--admin-port", port)
	var all []document
	if err := json.Unmarshal([]byte(stdout), &all); code != 0 || err != nil || len(all) != 1 {
		t.Errorf("status ends with %d: %s%s", code, stdout, stderr)
	}
	if _, stderr, code := run(nil, "reload", "--admin-port", port); code != 1 || !strings.Contains(stderr, "without a config file") {
		t.Errorf("reload ends with %d: %s", code, stderr)
	}
	if _, stderr, code := run(nil, "shutdown", "--admin-port", port); code != 0 {
		t.Errorf("shutdown ends with %d: %s", code, stderr)
	}
	if code := w.AwaitExit(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

// A port that serves probes alone says so.
func TestPortThatServesProbesAlone(t *testing.T) {
	w := start(t, rig.Setup{})
	_, port, err := net.SplitHostPort(strings.TrimPrefix(w.web, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	if _, stderr, code := rig.Run(t, nil, "wait", "--http-port", port, "--max", "30s"); code != 0 {
		t.Errorf("wait ends with %d: %s", code, stderr)
	}
	if _, stderr, code := rig.Run(t, nil, "shutdown", "--http-port", port); code != 1 || !strings.Contains(stderr, "--quitquitquit") {
		t.Errorf("shutdown ends with %d: %s", code, stderr)
	}
}

func TestQuitQuitQuit(t *testing.T) {
	port := rig.FreePort(t)
	w := rig.Start(t, rig.Setup{Flags: []string{"--quitquitquit", "--debug", "--admin-port", port}})
	url := "http://localhost:" + port
	for _, test := range []struct {
		name, method, path string
		change             func(*http.Request)
		want               int
	}{
		{"by GET", "GET", "/quitquitquit", nil, 405},
		{"for a page from elsewhere", "POST", "/quitquitquit", func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }, 403},
		{"under another name", "POST", "/quitquitquit", func(r *http.Request) { r.Host = "evil.example" }, 403},
		{"command line", "GET", "/debug/pprof/cmdline", nil, 200},
		{"by POST", "POST", "/quitquitquit", nil, 202},
	} {
		r, err := http.NewRequest(test.method, url+test.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if test.change != nil {
			test.change(r)
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != test.want {
			t.Errorf("%s: %d (%s), want %d", test.name, res.StatusCode, body, test.want)
		}
		for _, secret := range []string{rig.Shared.Keys.SecretAccessKey, rig.Shared.Keys.SessionToken} {
			if secret != "" && bytes.Contains(body, []byte(secret)) {
				t.Errorf("%s shows a key: %s", test.name, body)
			}
		}
	}
	if code := w.AwaitExit(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

// A port in use ends the start, and says what to do.
func TestHTTPPortInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for option, flag := range map[string]string{"--http-port": "--health-check", "--admin-port": "--debug"} {
		_, stderr, code := rig.Run(t, nil, lab.Host+"?dial="+rig.ClosedPort, "--port", "0", flag, option, port)
		if code != 1 || !strings.Contains(stderr, "address already in use") || !strings.Contains(stderr, "hint: choose another port with "+option) {
			t.Errorf("%s: exit code %d: %s", option, code, stderr)
		}
	}
}

// A watch goes on until Ctrl-C.
func TestWatch(t *testing.T) {
	w := start(t, rig.Setup{})
	ctx, cancel := context.WithTimeout(t.Context(), 2*rig.Limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, rig.Shared.Binary, "status", "--watch")
	cmd.Env = []string{"HOME=" + w.Home}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	seen, buf := "", make([]byte, 4096)
	for strings.Count(seen, "up ") < 2 {
		n, err := out.Read(buf)
		if err != nil {
			t.Fatalf("after %q: %v", seen, err)
		}
		seen += string(buf[:n])
	}
	if strings.Contains(seen, "\x1b") {
		t.Errorf("escapes where there is no terminal: %q", seen)
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, out)
	if err := cmd.Wait(); err != nil {
		t.Errorf("after Ctrl-C: %v", err)
	}
}
