package rig

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/charmbracelet/x/vt"
	"golang.org/x/sys/unix"

	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
)

// The size of a Screen: so high that nothing scrolls away.
const (
	columns = 100
	rows    = 150
)

// Screen is a program on a terminal of its own, and who sits there. The terminal answers
// what programs ask of it, as real ones do.
type Screen struct {
	t      *testing.T
	cmd    *exec.Cmd
	master *os.File
	ended  chan struct{} // closed when all has been read
	more   chan struct{} // holds one after something was shown

	mu       sync.Mutex
	sent     bytes.Buffer
	terminal *vt.Emulator // its Read needs no lock, and must not wait for one: Write waits for it
}

// OnScreen starts cmd on a terminal. Its SysProcAttr may be set already.
func OnScreen(t *testing.T, cmd *exec.Cmd) *Screen {
	t.Helper()
	master, slave := OpenPTY(t)
	if err := unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: columns}); err != nil {
		t.Fatal(err)
	}
	s := &Screen{t: t, cmd: cmd, master: master, terminal: vt.NewEmulator(columns, rows), ended: make(chan struct{}), more: make(chan struct{}, 1)}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.Env = append(cmd.Environ(), lab.QuickExit)
	cmd.SysProcAttr.Setsid, cmd.SysProcAttr.Setctty, cmd.SysProcAttr.Ctty = true, true, 0
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	slave.Close()
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		_, _ = io.Copy(master, s.terminal)
	}()
	go s.watch()
	t.Cleanup(func() {
		_ = s.terminal.InputPipe().(io.Closer).Close() // Close itself races with Read
		<-answered
	})
	return s
}

func (s *Screen) watch() {
	defer close(s.ended)
	for b := make([]byte, 4096); ; {
		n, err := s.master.Read(b)
		s.mu.Lock()
		s.sent.Write(b[:n])
		_, _ = s.terminal.Write(b[:n])
		s.mu.Unlock()
		select {
		case s.more <- struct{}{}:
		default:
		}
		if err != nil { // EIO: the last one has left
			return
		}
	}
}

// Text is what the terminal shows, without the spaces at the ends of lines.
func (s *Screen) Text() string {
	s.mu.Lock()
	shown := s.terminal.String()
	s.mu.Unlock()
	var b strings.Builder
	for line := range strings.Lines(shown) {
		b.WriteString(strings.TrimRight(line, " \r\n") + "\n")
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// Sent is all that the program has sent to the terminal, byte by byte.
func (s *Screen) Sent() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sent.String()
}

// Await waits until the terminal shows words.
func (s *Screen) Await(words string) {
	s.t.Helper()
	for late := time.After(time.Minute); !strings.Contains(s.Text(), words); {
		select {
		case <-s.more:
		case <-s.ended:
			if text := s.Text(); !strings.Contains(text, words) {
				s.t.Fatalf("ended without %q:\n%s", words, text)
			}
		case <-late:
			s.t.Fatalf("no %q:\n%s", words, s.Text())
		}
	}
}

// Type types keys, as the terminal sends them.
func (s *Screen) Type(keys string) {
	s.t.Helper()
	if _, err := s.master.WriteString(keys); err != nil {
		s.t.Fatal(err)
	}
}

// Signal sends sig to the program, and to nothing else on the terminal.
func (s *Screen) Signal(sig os.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// AnswerInit answers the questions of `pgkeyless init` as somebody who has the lab's
// database and jump host, and waits until the check has found all of it good.
func (s *Screen) AnswerInit() {
	s.t.Helper()
	s.Await("AWS region")
	s.Type(lab.Region + "\r\r") // what is typed filters
	s.Await("orders (instance, postgres 16.4, available)")
	s.Type("ord\r\r")
	s.Await(lab.Target)
	s.Type("i-\r\r")
	s.Await("Database user")
	s.Type("app_user\r")
	s.Await("Database name")
	s.Type("app\r")
	s.Await("all good")
}

// End waits for the program's end. Nothing secret may have been shown.
func (s *Screen) End() (code int) {
	s.t.Helper()
	<-s.ended
	_ = s.cmd.Wait()
	CheckOutput(s.t, s.Sent())
	return s.cmd.ProcessState.ExitCode()
}
