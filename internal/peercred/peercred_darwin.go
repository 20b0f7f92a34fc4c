package peercred

import "golang.org/x/sys/unix"

// Known says that this system tells.
const Known = true

// Of sys/un.h, which x/sys/unix does not have.
const localPeerPID = 2

func ask(fd int) (Process, bool) {
	peer, err := unix.GetsockoptXucred(fd, unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
	if err != nil {
		return Process{}, false
	}
	pid, err := unix.GetsockoptInt(fd, unix.SOL_LOCAL, localPeerPID)
	if err != nil {
		pid = 0
	}
	return Process{UID: int(peer.Uid), PID: pid}, true
}
