package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/internal/testenv"
)

// A directory that came with an archive may be called as its maker likes.
func TestNamesOfDirectoriesDoNotReachTheTerminal(t *testing.T) {
	dir := filepath.Join(testenv.Isolate(t), "\x1b[2J\u009b2J\u202e")
	path := filepath.Join(dir, "pgkeyless.yaml")
	testenv.Write(t, path, "targets: {orders: {database: "+testenv.Orders+", via: "+testenv.Jump+"}}")
	for _, args := range [][]string{{"config", "path"}, {"config", "print"}, {"config", "print", "--json"}} {
		args = append(args, "--config-file", path)
		master, terminal := openPTY(t)
		shown := make(chan string)
		go func() {
			var all bytes.Buffer
			all.ReadFrom(master) // until the terminal is closed, which is an error
			shown <- all.String()
		}()
		a := newApp(terminal, terminal)
		if code := a.run(t.Context(), args); code != 0 {
			t.Errorf("%q: code %d", args, code)
		}
		terminal.Close()
		out := <-shown
		if strings.ContainsAny(out, "\x1b\u009b\u202e") || !strings.Contains(out, `2J`) {
			t.Errorf("%q shows %q", args, out)
		}
		master.Close()
	}
	// A program gets the name as it is.
	var out bytes.Buffer
	if code := newApp(&out, os.Stderr).run(t.Context(), []string{"config", "path", "--config-file", path}); code != 0 || strings.TrimSpace(out.String()) != path {
		t.Errorf("code %d, %q, want %q", code, out.String(), path)
	}
}
