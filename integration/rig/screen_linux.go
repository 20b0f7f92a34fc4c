package rig

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Screen is a program on a terminal of its own, and who sits there.
type Screen struct {
	t      *testing.T
	cmd    *exec.Cmd
	master *os.File
	ended  chan struct{} // closed when all has been read

	mu    sync.Mutex
	shown bytes.Buffer
	read  int           // how much of it has been read by Await
	more  chan struct{} // holds one after something was shown
}

// OnScreen starts cmd on a terminal of 40 lines. Its SysProcAttr may be set already.
func OnScreen(t *testing.T, cmd *exec.Cmd) *Screen {
	t.Helper()
	master, slave := OpenPTY(t)
	if err := unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: 100}); err != nil {
		t.Fatal(err)
	}
	s := &Screen{t: t, cmd: cmd, master: master, ended: make(chan struct{}), more: make(chan struct{}, 1)}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setsid, cmd.SysProcAttr.Setctty, cmd.SysProcAttr.Ctty = true, true, 0
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	slave.Close()
	go s.watch()
	return s
}

func (s *Screen) watch() {
	defer close(s.ended)
	for b := make([]byte, 4096); ; {
		n, err := s.master.Read(b)
		s.mu.Lock()
		s.shown.Write(b[:n])
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

var control = regexp.MustCompile("\x1b\\[[0-9;?]*[A-Za-z]|\x1b\\][^\x07\x1b]*(\x07|\x1b\\\\)|\r")

// Text is what was shown, without what moves the cursor.
func (s *Screen) Text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return control.ReplaceAllString(s.shown.String(), "")
}

// Await waits until words are shown, after those of the last time.
func (s *Screen) Await(words string) {
	s.t.Helper()
	for late := time.After(time.Minute); ; {
		text := s.Text()
		if i := strings.Index(text[min(s.read, len(text)):], words); i >= 0 {
			s.read += i + len(words)
			return
		}
		select {
		case <-s.more:
		case <-s.ended:
			if text := s.Text(); !strings.Contains(text[min(s.read, len(text)):], words) {
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

// End waits for the program's end. Nothing secret may have been shown.
func (s *Screen) End() (code int) {
	s.t.Helper()
	<-s.ended
	_ = s.cmd.Wait()
	CheckOutput(s.t, s.Text())
	return s.cmd.ProcessState.ExitCode()
}
