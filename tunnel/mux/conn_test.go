package mux

import (
	"net"
	"testing"

	"golang.org/x/net/nettest"
)

func TestStreamIsAConn(t *testing.T) {
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		// The suite's RacyRead writes without end to a stream that is hardly read.
		return pipe(Config{MaxStreamBuffer: 1 << 30})
	})
}

func TestAddrNamesTheStream(t *testing.T) {
	s := mustOpen(t, New(Config{}))
	for _, a := range []net.Addr{s.LocalAddr(), s.RemoteAddr()} {
		if a.Network() != "smux" || a.String() != "stream 3" {
			t.Errorf("address is %q %q, want smux, stream 3", a.Network(), a.String())
		}
	}
}
