package cli

import (
	"bufio"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/pgkeyless/pgkeyless/internal/testenv"
)

// openPTY returns both ends of a new pseudo-terminal.
//
// Source: pty(7), ioctl_tty(2).
func openPTY(t *testing.T) (master, terminal *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	ioctl := func(request uintptr, arg *int32) {
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, master.Fd(), request, uintptr(unsafe.Pointer(arg))); errno != 0 {
			t.Fatalf("ioctl %#x: %v", request, errno)
		}
	}
	var unlock int32
	ioctl(syscall.TIOCSPTLCK, &unlock)
	flags := int32(os.O_RDWR | syscall.O_NOCTTY)
	fd, _, errno := syscall.Syscall(syscall.SYS_IOCTL, master.Fd(), 0x5441 /* TIOCGPTPEER */, uintptr(flags))
	if errno != 0 {
		t.Fatalf("TIOCGPTPEER: %v", errno)
	}
	return master, os.NewFile(fd, "terminal")
}

// With a config file, SIGHUP reloads, also on a terminal; when the terminal is
// closed, which sends the same signal, the process ends.
func TestClosedTerminalEndsWhatSIGHUPReloads(t *testing.T) {
	if signal.Ignored(syscall.SIGHUP) {
		return // nohup: the program is to ignore it as well
	}
	path := filepath.Join(testenv.Isolate(t), "c.yaml")
	if err := os.WriteFile(path, []byte("defaults: {via: none, port: 0}\ntargets: {orders: {database: "+testenv.Orders+"}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	master, terminal := openPTY(t)
	cmd := exec.CommandContext(t.Context(), exe, "--config-file", path)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	cmd.Stdin = terminal
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	terminal.Close()
	lines := bufio.NewScanner(stderr)
	until := func(words string) {
		t.Helper()
		for lines.Scan() {
			if strings.Contains(lines.Text(), words) {
				return
			}
		}
		t.Fatalf("stderr ended before %q", words)
	}
	until("  jdbc:")
	for range 2 {
		if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		until("configuration reloaded")
	}
	master.Close()
	for lines.Scan() {
	}
	_ = cmd.Wait() // the code says it all
	if got := cmd.ProcessState.ExitCode(); got != 129 {
		t.Errorf("ended with %v (code %d), want code 129", cmd.ProcessState, got)
	}
}
