package access

import "golang.org/x/sys/unix"

// Of sys/un.h, which x/sys/unix does not have.
const localPeerPID = 2

func peerCredentials(fd int) (process, bool) {
	peer, err := unix.GetsockoptXucred(fd, unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
	if err != nil {
		return process{}, false
	}
	pid, err := unix.GetsockoptInt(fd, unix.SOL_LOCAL, localPeerPID)
	if err != nil {
		pid = 0
	}
	return process{uid: int(peer.Uid), pid: pid}, true
}
