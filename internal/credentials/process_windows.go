package credentials

import (
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// ownGroup gives cmd a process group of its own: Ctrl-C is for us.
func ownGroup(cmd *exec.Cmd, terminal bool) (restore func()) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
	if terminal {
		cmd.Stdin = os.Stdin
	}
	// cmd.exe has its own rules for quotes: the line is passed as it stands.
	cmd.SysProcAttr.CmdLine = `cmd.exe /S /C "` + cmd.Args[2] + `"`
	return func() {}
}

// endGroup ends p and all that it has started.
func endGroup(p *os.Process) error {
	if err := exec.Command("taskkill", "/T", "/F", "/PID", strconv.Itoa(p.Pid)).Run(); err != nil {
		return p.Kill()
	}
	return nil
}
