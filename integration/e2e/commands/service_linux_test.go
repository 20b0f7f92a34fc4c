package commands

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
)

// laptop is a home directory with a systemctl that notes what it is asked for.
type laptop struct {
	t               *testing.T
	home, programs  string
	unit, own, asks string // paths
}

func newLaptop(t *testing.T) *laptop {
	t.Helper()
	home := t.TempDir()
	l := &laptop{t, home, filepath.Join(home, "bin"), filepath.Join(home, ".config/systemd/user/pgkeyless.service"),
		filepath.Join(home, ".config/pgkeyless/config.yaml"), filepath.Join(home, "asked")}
	real, err := exec.LookPath("systemctl")
	if err != nil {
		t.Fatalf("%v: run scripts/install-deps", err)
	}
	l.write(filepath.Join(l.programs, "systemctl"), `#!/bin/sh
[ "$1" != --version ] || exec `+real+` --version
echo "$*" >>"`+l.asks+`"
[ ! -e "`+home+`/fails" ] || { cat "`+home+`/fails" >&2; exit 1; }
`)
	if err := os.Chmod(filepath.Join(l.programs, "systemctl"), 0o755); err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *laptop) write(path, text string) {
	l.t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		l.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		l.t.Fatal(err)
	}
}

// run runs pgkeyless service.
func (l *laptop) run(args ...string) (stdout, stderr string, code int) {
	l.t.Helper()
	return rig.RunIn(l.t, l.home, []string{"HOME=" + l.home, "PATH=" + l.programs + ":" + os.Getenv("PATH"), "AWS_PROFILE=dev"}, append([]string{"service"}, args...)...)
}

// asked is what systemctl was asked for since the last time.
func (l *laptop) asked() string {
	b, _ := os.ReadFile(l.asks)
	os.Remove(l.asks)
	return strings.ReplaceAll(strings.TrimSpace(string(b)), "\n", "; ")
}

const targets = "targets:\n  orders: {database: " + lab.Host + ", via: none}\n  reports: {database: " + lab.Host + ", via: none, port: 6000}\n"

func TestServiceFromInstallToUninstall(t *testing.T) {
	l := newLaptop(t)
	l.write(l.own, targets)
	for range 2 { // again, as after an update
		stdout, stderr, code := l.run("install")
		if code != 0 || stdout != "" {
			t.Fatalf("install: code %d, stdout %q, stderr %s", code, stdout, stderr)
		}
		for _, want := range []string{"the service serves orders, reports of " + l.own, "installed " + l.unit, "pgkeyless service start", "loginctl enable-linger", "journalctl --user -u pgkeyless", "variables of your shell: AWS_PROFILE "} {
			if !strings.Contains(stderr, want) {
				t.Errorf("install does not say %q:\n%s", want, stderr)
			}
		}
		if got, want := l.asked(), "--user show-environment; --user daemon-reload; --user enable pgkeyless.service"; got != want {
			t.Errorf("systemctl was asked %q, want %q", got, want)
		}
	}
	unit, err := os.ReadFile(l.unit)
	if err != nil {
		t.Fatal(err)
	}
	if want := "ExecStart=" + rig.Shared.Binary + " serve --config-file " + l.own + "\n"; !strings.Contains(string(unit), want) {
		t.Errorf("the unit lacks %s:\n%s", want, unit)
	}
	if printed, stderr, code := l.run("print"); code != 0 || printed != string(unit) {
		t.Errorf("print: code %d, %s\n%s\nwant\n%s", code, stderr, printed, unit)
	}
	if said := verify(t, "--user", l.unit); said != "" {
		t.Errorf("systemd-analyze: %s", said)
	}
	for _, step := range [][2]string{{"start", "--user start pgkeyless.service"}, {"stop", "--user stop pgkeyless.service"}, {"uninstall", "--user disable --now pgkeyless.service; --user daemon-reload"}} {
		if _, stderr, code := l.run(step[0]); code != 0 {
			t.Errorf("%s: code %d, %s", step[0], code, stderr)
		}
		if got := l.asked(); got != step[1] {
			t.Errorf("%s asked %q, want %q", step[0], got, step[1])
		}
	}
	if _, err := os.Lstat(l.unit); !os.IsNotExist(err) {
		t.Errorf("the unit is left: %v", err)
	}
}

func TestServiceMistakes(t *testing.T) {
	foreign := func(l *laptop) { l.write(l.own, targets); l.write(l.unit, "[Service]\nExecStart=/bin/true\n") }
	for _, tt := range []struct {
		name      string
		prepare   func(*laptop)
		args      string
		err, hint string
	}{
		{"no config file", func(*laptop) {}, "install", "there is no config file for the service", "config.yaml, or name one with --config-file"},
		{"a project's", func(l *laptop) { l.write(filepath.Join(l.home, "pgkeyless.yaml"), targets) }, "install", "pgkeyless.yaml belongs to a project", "name it: --config-file "},
		{"a broken one", func(l *laptop) { l.write(l.own, "targets:\n  orders: {vai: none}\n") }, "install", `:2: unknown key "vai"`, "did you mean via?"},
		{"no file wanted", func(*laptop) {}, "install --config-file none", "a service serves a config file", "--config-file"},
		{"somebody else's unit", foreign, "install", "pgkeyless.service was not written by pgkeyless", "move it away"},
		{"to uninstall that", foreign, "uninstall", "pgkeyless.service was not written by pgkeyless", "move it away"},
		{"nothing installed", func(*laptop) {}, "start", "no service is installed", "pgkeyless service install"},
		{"no user manager", func(l *laptop) {
			l.write(l.own, targets)
			l.write(filepath.Join(l.home, "fails"), "Failed to connect to bus: No medium found\n")
		}, "install", "systemd does not answer for this user", "machinectl shell"},
		{"no systemctl", func(l *laptop) {
			l.write(l.own, targets)
			l.programs = filepath.Join(l.home, "empty")
		}, "install", "there is no systemctl", "pgkeyless serve"},
		{"no such subcommand", func(*laptop) {}, "instal", `service has no subcommand "instal"`, "install"},
		{"no such target", func(l *laptop) { l.write(l.own, targets) }, "print --socket order", `the config file has no target "order"`, "orders, reports"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLaptop(t)
			tt.prepare(l)
			before, _ := os.ReadFile(l.unit)
			env := []string{"HOME=" + l.home, "PATH=" + l.programs}
			if l.programs == filepath.Join(l.home, "bin") {
				env[1] += ":" + os.Getenv("PATH")
			}
			stdout, stderr, code := rig.RunIn(t, l.home, env, append([]string{"service"}, strings.Fields(tt.args)...)...)
			lines := strings.Split(strings.TrimSpace(stderr), "\n")
			if code != 1 || stdout != "" || len(lines) != 2 || !strings.HasPrefix(lines[0], "pgkeyless: error: ") || !strings.Contains(lines[0], tt.err) ||
				!strings.HasPrefix(lines[1], "pgkeyless: hint: ") || !strings.Contains(lines[1], tt.hint) {
				t.Errorf("code %d, stdout %q, stderr\n%swant %s and %s", code, stdout, stderr, tt.err, tt.hint)
			}
			if after, _ := os.ReadFile(l.unit); string(after) != string(before) {
				t.Errorf("the unit is changed to %q", after)
			}
		})
	}
}

// TestUnitsAreValid has systemd judge what the command prints, and what deploy has.
func TestUnitsAreValid(t *testing.T) {
	l := newLaptop(t)
	l.write(l.own, targets)
	dir := t.TempDir()
	printed := func(name string, args ...string) string {
		t.Helper()
		text, stderr, code := l.run(append([]string{"print"}, args...)...)
		if code != 0 {
			t.Fatalf("print %v: code %d, %s", args, code, stderr)
		}
		l.write(filepath.Join(dir, name), text)
		return text
	}
	printed("pgkeyless.service", "--system")
	socket := printed("pgkeyless-reports.socket", "--socket", "reports")
	if want := "ListenStream=127.0.0.1:6000\nListenStream=[::1]:6000\n"; !strings.Contains(socket, want) || !strings.Contains(socket, "\nFileDescriptorName=reports\n") {
		t.Errorf("the socket unit lacks %s:\n%s", want, socket)
	}
	l.write(l.own, "shared-port: true\n"+targets)
	for _, name := range []string{"orders", "shared-port"} { // which shares it; reports has a port of its own
		if text, stderr, code := l.run("print", "--socket", name); code != 0 || !strings.Contains(text, "\nFileDescriptorName=shared-port\n") || !strings.Contains(text, "127.0.0.1:5432\n") {
			t.Errorf("the shared port, by %s: code %d, %s\n%s", name, code, stderr, text)
		}
	}
	if said := verify(t, "--system", filepath.Join(dir, "pgkeyless.service"), filepath.Join(dir, "pgkeyless-reports.socket")); said != "" {
		t.Errorf("printed: systemd-analyze: %s", said)
	}
	for scope, names := range map[string][]string{"--system": {"pgkeyless.service", "pgkeyless-orders.socket"}, "--user": {"user/pgkeyless.service"}} {
		dir := t.TempDir()
		var files []string
		for _, name := range names {
			text, err := os.ReadFile(filepath.Join("../../../deploy/systemd", name))
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, filepath.Base(name))
			l.write(path, strings.ReplaceAll(string(text), "/usr/local/bin/pgkeyless", rig.Shared.Binary)) // which must be there
			files = append(files, path)
		}
		said := verify(t, scope, files...)
		if version(t) < 253 { // it falls back to Type=simple, which serves as well
			said = strings.TrimSpace(strings.TrimPrefix(said, filepath.Join(dir, "pgkeyless.service")+fmt.Sprintf(":%d: Failed to parse service type, ignoring: notify-reload", lineOf(t, filepath.Join(dir, "pgkeyless.service"), "Type="))))
		}
		if said != "" {
			t.Errorf("deploy, %s: systemd-analyze: %s", scope, said)
		}
	}
}

// verify is what systemd-analyze says about units: nothing, when they are right. What
// it says about others of this machine is left out.
func verify(t *testing.T, scope string, units ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "systemd-analyze", append([]string{scope, "--man=no", "verify"}, units...)...)
	cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+t.TempDir(), "SYSTEMD_LOG_LEVEL=warning", "LC_ALL=C")
	said, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Sprintf("%v: %s", err, said)
	}
	var ours []string
	for line := range strings.Lines(string(said)) {
		if strings.Contains(line, "pgkeyless") {
			ours = append(ours, strings.TrimSpace(line))
		}
	}
	return strings.Join(ours, "\n")
}

// version is that of systemd.
func version(t *testing.T) (n int) {
	t.Helper()
	said, err := exec.CommandContext(t.Context(), "systemd-analyze", "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscanf(string(said), "systemd %d", &n); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	return n
}

func lineOf(t *testing.T, path, begins string) int {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(line, begins) {
			return i + 1
		}
	}
	return 0
}
