package access

import "syscall"

func peerCredentials(fd int) (process, bool) {
	peer, err := syscall.GetsockoptUcred(fd, syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	if err != nil {
		return process{}, false
	}
	return process{uid: int(peer.Uid), pid: int(peer.Pid)}, true
}
