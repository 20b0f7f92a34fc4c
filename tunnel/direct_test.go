package tunnel

import (
	"errors"
	"net"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

func TestDirectWordsItsErrors(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := Direct{}.DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	const address = "127.0.0.1:1" // nobody listens there, and nobody is given it
	_, err = Direct{}.DialContext(t.Context(), "tcp", address)
	var e *causes.Error
	if !errors.As(err, &e) || e.SQLState() != "08001" || !strings.Contains(e.Hint(), "via") || !strings.Contains(e.Error(), address) {
		t.Errorf("closed port: %v, want an Error with 08001, the address and a hint about via", err)
	}
	if runtime.GOOS != "windows" && !errors.Is(err, syscall.ECONNREFUSED) { // Windows has a number of its own
		t.Errorf("closed port: %v, want %v within", err, syscall.ECONNREFUSED)
	}
}

func TestDirectSaysWhenFilesRunOut(t *testing.T) {
	d := Direct{net.Dialer{Control: func(string, string, syscall.RawConn) error { return syscall.EMFILE }}}
	_, err := d.DialContext(t.Context(), "tcp", "127.0.0.1:1")
	var e *causes.Error
	if !errors.As(err, &e) || !strings.Contains(e.Hint(), "ulimit -n") || !strings.Contains(e.Error(), "cannot connect to 127.0.0.1:1: ") {
		t.Errorf("%v, want the address, and a hint about ulimit", err)
	}
}
