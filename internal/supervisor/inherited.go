package supervisor

import (
	"fmt"
	"net"
	"os"

	"github.com/coreos/go-systemd/v22/activation"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// Socket is one that the process was started with, open and listening.
type Socket struct {
	Name     string // FileDescriptorName= of its socket unit
	Listener net.Listener
}

// Inherited are the sockets that systemd passed to this process, in its order. It takes
// them: a second call finds none, nor does a program that is started from here.
//
// Source: sd_listen_fds(3).
func Inherited() ([]Socket, error) {
	var all []Socket
	for _, f := range activation.Files(true) {
		l, err := listenerOf(f)
		if err != nil {
			for _, s := range all {
				s.Listener.Close()
			}
			return nil, causes.Misuse(fmt.Sprintf("systemd passed %q, which cannot be served: %v", f.Name(), err),
				"in the socket unit use ListenStream= and Accept=no")
		}
		all = append(all, Socket{f.Name(), l})
	}
	return all, nil
}

// listenerOf takes f over, which is closed in any case.
func listenerOf(f *os.File) (net.Listener, error) {
	defer f.Close()
	if err := listens(f); err != nil {
		return nil, err
	}
	return net.FileListener(f)
}
