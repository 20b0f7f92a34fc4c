//go:build unix

package credentials

import (
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"unsafe"
)

// ownGroup gives cmd a process group of its own, so that it can be ended with all
// its children. With terminal the group may read the terminal, where it is ours to
// give, until the function that it returns takes it back; otherwise it has none,
// as a read would stop it.
func ownGroup(cmd *exec.Cmd, terminal bool) (restore func()) {
	if terminal {
		if tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0); err == nil {
			ours := syscall.Getpgrp()
			if foreground(tty) == ours {
				cmd.Stdin = tty
				cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Foreground: true, Ctty: int(tty.Fd())}
				return func() { setForeground(tty, ours); tty.Close() }
			}
			tty.Close()
		}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return func() {}
}

// endGroup ends p and all that it has started.
func endGroup(p *os.Process) error { return syscall.Kill(-p.Pid, syscall.SIGKILL) }

func foreground(tty *os.File) int {
	var group int32
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, tty.Fd(), syscall.TIOCGPGRP, uintptr(unsafe.Pointer(&group))); errno != 0 {
		return -1
	}
	return int(group)
}

// setForeground makes group the terminal's. From the background that would stop
// us, were the signal not ignored.
func setForeground(tty *os.File, group int) {
	signal.Ignore(syscall.SIGTTOU)
	defer signal.Reset(syscall.SIGTTOU)
	id := int32(group)
	_, _, _ = syscall.Syscall(syscall.SYS_IOCTL, tty.Fd(), syscall.TIOCSPGRP, uintptr(unsafe.Pointer(&id)))
}
