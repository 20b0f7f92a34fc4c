package serving

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/internal/running"
	"github.com/pgkeyless/pgkeyless/internal/targets"
)

// readyListener is one line of --ready-fd: one target on one listener.
type readyListener struct {
	Target  string `json:"target"`
	Address string `json:"address,omitempty"` // "host:port" of a TCP listener
	Socket  string `json:"socket,omitempty"`  // the path of a Unix socket
	Host    string `json:"host,omitempty"`    // for PGHOST: an address, or the socket's directory
	Port    int    `json:"port,omitempty"`    // for PGPORT
	// User and Database are left out where they are the client's choice.
	User     string `json:"user,omitempty"`
	Database string `json:"database,omitempty"`
	URL      string `json:"url,omitempty"`
	Shared   bool   `json:"shared,omitempty"` // other targets are on the same listener
}

// openReady is the file that --ready-fd names: nil for 0, which is none.
func openReady(fd int) (*os.File, error) {
	if fd == 0 {
		return nil, nil
	}
	if runtime.GOOS == "windows" {
		return nil, causes.Misuse("--ready-fd is not supported on Windows", "leave it out; `pgkeyless env TARGET` says where a target is served")
	}
	f := os.NewFile(uintptr(fd), fmt.Sprintf("file descriptor %d", fd))
	if _, err := f.Stat(); err != nil {
		return nil, causes.Misuse(fmt.Sprintf("--ready-fd %d: this file descriptor is not open", fd),
			fmt.Sprintf("open it for pgkeyless, as a shell does with: pgkeyless … --ready-fd %d %d>ready.json", fd, fd))
	}
	closeOnExec(f)
	return f, nil
}

// tellReady writes a line for each listener to f, and closes it.
func tellReady(f *os.File, front front) error {
	if f == nil {
		return nil
	}
	var lines bytes.Buffer // written at once: a reader may leave after the first
	err := writeReady(&lines, front)
	if err == nil {
		_, err = f.Write(lines.Bytes())
	}
	if closing := f.Close(); err == nil {
		err = closing
	}
	return err
}

func writeReady(w io.Writer, front front) error {
	lines := json.NewEncoder(display.Escaping(w))
	lines.SetEscapeHTML(false)
	for i := range front.targets {
		if front.targets[i].Shared {
			for _, l := range front.shared {
				if err := lines.Encode(front.readyOn(i, l, true)); err != nil {
					return err
				}
			}
		}
		for _, l := range front.routes[i].Listen {
			if err := lines.Encode(front.readyOn(i, l, false)); err != nil {
				return err
			}
		}
	}
	return nil
}

// readyOn is target i on l.
func (f front) readyOn(i int, l net.Listener, shared bool) readyListener {
	r := readyListener{Target: f.targets[i].Name, Shared: shared}
	p := running.Place{User: targets.UsualUser(f.targets[i], f.routes[i]), Database: f.routes[i].Database}
	if a, ok := l.Addr().(*net.TCPAddr); ok {
		r.Address = a.String()
		p.Host, p.Port = running.Reachable(a.AddrPort().Addr()), a.Port
	} else {
		r.Socket = l.Addr().String()
		p.Host, p.Port = socketPlace(r.Socket)
	}
	if shared {
		p = running.OnShared(r.Target, p)
	}
	r.Host, r.Port, r.User, r.Database = p.Host, p.Port, p.User, p.Database
	if p.Port != 0 {
		r.URL = p.URL(nil)
	}
	return r
}

// socketPlace is what libpq takes for the socket at path: nothing, where its name is
// not one that libpq looks for.
func socketPlace(path string) (dir string, port int) {
	if number, ok := strings.CutPrefix(filepath.Base(path), ".s.PGSQL."); ok && filepath.IsAbs(path) {
		if port, err := strconv.Atoi(number); err == nil {
			return filepath.Dir(path), port
		}
	}
	return "", 0
}
