package peercred

import "syscall"

// Known says that this system tells.
const Known = true

func ask(fd int) (Process, bool) {
	peer, err := syscall.GetsockoptUcred(fd, syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	if err != nil {
		return Process{}, false
	}
	return Process{UID: int(peer.Uid), PID: int(peer.Pid)}, true
}
