package ownfile

import "net"

// bind makes the socket, with the access rights of its directory.
func bind(path string) (net.Listener, error) { return net.Listen("unix", path) }
