package peercred

import (
	"net"
	"os"
	"path/filepath"
	"testing"
)

func TestOfOwnProcess(t *testing.T) {
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	served, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer served.Close()
	got, ok := Of(served)
	if ok != Known || Known && got != (Process{os.Getuid(), os.Getpid()}) {
		t.Errorf("got %+v, %v; want this process, %v", got, ok, Known)
	}
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	if got, ok := Of(near); ok {
		t.Errorf("a pipe is %+v's", got)
	}
}
