package pgserver

import (
	"fmt"
	"net"
	"testing"
)

// Nobody gets the server's port while it starts again.
func TestRestartHasItsPort(t *testing.T) {
	port, release, err := reserve()
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	address := fmt.Sprint("127.0.0.1:", port)
	if conn, err := net.Dial("tcp", address); err == nil {
		conn.Close()
		t.Error("somebody listens there")
	}
	for range 100 {
		other, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		if other.Addr().String() == address {
			t.Fatal("somebody else has got the port")
		}
	}
	own, err := net.Listen("tcp", address) // as PostgreSQL does
	if err != nil {
		t.Fatal(err)
	}
	own.Close()

	s, err := Start(t.Context(), testConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	at := s.Address()
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if conn, err := connect(t.Context(), s, PlainUser, PlainPassword); err != nil || s.Address() != at {
		t.Errorf("at %s, before at %s: %v", s.Address(), at, err)
	} else {
		conn.Close(t.Context())
	}
}
