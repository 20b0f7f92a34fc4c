package main

import (
	"os/exec"
	"syscall"
)

// endWithDemo makes pgkeyless end when this program is killed. The thread that starts it
// must stay, which main sees to.
func endWithDemo(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM} }
