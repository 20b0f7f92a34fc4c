package proxy

import "syscall"

// knowsPeers says that peerPID works.
const knowsPeers = true

// Of sys/un.h, which package syscall does not have.
const (
	solLocal     = 0
	localPeerPID = 2
)

// peerPID is the process at the other end of a Unix socket, or 0.
func peerPID(fd int) int {
	pid, err := syscall.GetsockoptInt(fd, solLocal, localPeerPID)
	if err != nil {
		return 0
	}
	return pid
}
