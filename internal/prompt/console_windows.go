package prompt

import (
	"os"
	"syscall"
)

// unstopped is for systems with job control.
func unstopped() (undo func()) { return func() {} }

// openTerminal opens the process's console.
func openTerminal() (in, out *os.File, err error) {
	if in, err = os.OpenFile("CONIN$", os.O_RDWR, 0); err != nil {
		return nil, nil, err
	}
	if out, err = os.OpenFile("CONOUT$", os.O_RDWR, 0); err != nil {
		in.Close()
		return nil, nil, err
	}
	return in, out, nil
}

// apart starts a program that our console's Ctrl-C does not reach.
func apart() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// browserCommand opens the URL that is appended to it.
func browserCommand() []string { return []string{"rundll32", "url.dll,FileProtocolHandler"} }
