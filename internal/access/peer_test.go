package access

import (
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestPeerOfAUnixSocket(t *testing.T) {
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
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	want := ""
	if me, err := user.Current(); err == nil && (runtime.GOOS == "linux" || runtime.GOOS == "darwin") {
		want = fmt.Sprintf("%s (pid %d)", me.Username, os.Getpid())
	}
	var peers Peers
	for range 2 {
		if got := peers.Of(s); got != want {
			t.Errorf("peer %q, want %q", got, want)
		}
	}
	if _, served := pair(t, "tcp", "127.0.0.1:0"); want != "" {
		if got, me := peers.Of(served), strings.Fields(want)[0]; got != me {
			t.Errorf("peer over TCP %q, want %q", got, me)
		}
	}
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	if got := peers.Of(near); got != "" {
		t.Errorf("peer of a pipe is %q", got)
	}
}
