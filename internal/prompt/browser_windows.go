package prompt

import "syscall"

// apart starts a program that our console's Ctrl-C does not reach.
func apart() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// browserCommand opens the URL that is appended to it.
func browserCommand() []string { return []string{"rundll32", "url.dll,FileProtocolHandler"} }
