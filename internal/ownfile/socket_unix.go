//go:build unix

package ownfile

import (
	"net"
	"sync"
	"syscall"
)

// binding is held while the process's umask is another one.
var binding sync.Mutex

// bind makes the socket, closed to others. A mode can only be given to what is there
// already, so that the umask is what decides until then. It is the whole process's:
// files that are made meanwhile are closed to others, too.
func bind(path string) (net.Listener, error) {
	binding.Lock()
	defer binding.Unlock()
	defer syscall.Umask(syscall.Umask(0o077))
	return net.Listen("unix", path)
}
