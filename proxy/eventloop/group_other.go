//go:build !linux

package eventloop

import (
	"context"
	"net"
)

// Wrap returns c: there is nothing here that could take it over.
func Wrap(c net.Conn) net.Conn { return c }

// Records returns c.
func Records(c net.Conn) net.Conn { return c }

// Group cannot relay here.
type Group struct{}

// Close does nothing.
func (*Group) Close() {}

// Relay reports that it cannot.
func (*Group) Relay(context.Context, net.Conn, net.Conn, []byte, func([]byte), func([]byte), func(Result)) bool {
	return false
}

// Alive reports that there is no loop that could be stuck.
func (*Group) Alive(context.Context) error { return nil }
