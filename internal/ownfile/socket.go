package ownfile

import (
	"net"
	"os"
)

// Listen listens on a Unix socket that this user alone can connect to, from the moment
// that it exists and whatever the umask is.
func Listen(path string) (net.Listener, error) {
	l, err := bind(path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}
