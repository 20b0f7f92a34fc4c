package proxy

import (
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/proxy/eventloop"
)

func TestPresenceOfASocket(t *testing.T) {
	closeWrite := func(c net.Conn) { c.(interface{ CloseWrite() error }).CloseWrite() }
	reset := func(c net.Conn) { c.(*net.TCPConn).SetLinger(0); c.Close() }
	leave := func(c net.Conn) { c.Close() }
	tests := []struct {
		name, network string
		do            func(c net.Conn)
		want          presence
	}{
		{"there", "tcp", func(net.Conn) {}, present},
		{"half-closed", "tcp", closeWrite, sentAll},
		{"closed", "tcp", leave, sentAll}, // which of the two is not to be seen
		{"reset", "tcp", reset, gone},
		{"there", "unix", func(net.Conn) {}, present},
		{"half-closed", "unix", closeWrite, sentAll},
		{"closed", "unix", leave, gone},
	}
	for _, test := range tests {
		t.Run(test.network+" "+test.name, func(t *testing.T) {
			address := "127.0.0.1:0"
			if test.network == "unix" {
				address = filepath.Join(t.TempDir(), "s")
			}
			l, err := net.Listen(test.network, address)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			client, err := net.Dial(test.network, l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			accepted, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer accepted.Close()
			if _, err := client.Write(make([]byte, 100_000)); err != nil { // unread before the end
				t.Fatal(err)
			}
			test.do(client)
			c := eventloop.Wrap(accepted)
			deadline := time.Now().Add(time.Minute)
			for presenceOf(c) != test.want && time.Now().Before(deadline) {
				time.Sleep(time.Millisecond) // the kernel carries it over by itself
			}
			if got := presenceOf(c); got != test.want {
				t.Errorf("presence %d, want %d", got, test.want)
			}
		})
	}
	a, b := net.Pipe()
	b.Close()
	if got := presenceOf(a); got != present {
		t.Errorf("presence of a pipe %d, want %d: nothing is known", got, present)
	}
}
