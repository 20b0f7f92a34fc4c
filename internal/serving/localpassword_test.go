package serving

import (
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/markedfile"
	"github.com/pgkeyless/pgkeyless/internal/passfile"
	"github.com/pgkeyless/pgkeyless/proxy"
)

// at is a listener at an address, of which nothing else is asked.
type at struct {
	net.Listener
	address *net.TCPAddr
}

func (a at) Addr() net.Addr { return a.address }

// Lines of the password file are for what clients type.
func TestNamesOfListeners(t *testing.T) {
	listener := func(ip string) net.Listener { return at{address: &net.TCPAddr{IP: net.ParseIP(ip), Port: 5432}} }
	here := []string{"localhost", "127.0.0.1", "::1"}
	for name, test := range map[string]struct {
		address string
		ips     []string
		shared  bool
		want    []string
	}{
		"localhost":     {"localhost", []string{"127.0.0.1", "::1"}, false, here},
		"one of it":     {"127.0.0.1", []string{"127.0.0.1"}, false, here},
		"everywhere":    {"0.0.0.0", []string{"0.0.0.0"}, false, here},
		"one address":   {"192.0.2.7", []string{"192.0.2.7"}, false, []string{"192.0.2.7"}},
		"a name":        {"db.example", []string{"192.0.2.7"}, false, []string{"db.example", "192.0.2.7"}},
		"a shared port": {"localhost", []string{"127.0.0.1"}, true, append(slices.Clone(here), "orders.localhost")},
		"none":          {"localhost", nil, false, nil},
	} {
		f := front{targets: []config.Target{{Name: "orders", Shared: test.shared, Options: config.Options{Address: test.address}}}, routes: make([]proxy.Route, 1)}
		for _, ip := range test.ips {
			if test.shared {
				f.shared = append(f.shared, listener(ip))
			} else {
				f.routes[0].Listen = append(f.routes[0].Listen, listener(ip))
			}
		}
		var want []passfile.Listener
		for _, host := range test.want {
			want = append(want, passfile.Listener{Host: host, Port: 5432})
		}
		if got := namesOf(f); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

// Whoever listens on a port after this process keeps the lines that it writes.
func TestLinesAreWithdrawnOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pgpass")
	made := func() *localPassword {
		return &localPassword{path: path, log: slog.New(slog.DiscardHandler)}
	}
	one := front{targets: []config.Target{{Name: "orders", Options: config.Options{Address: "127.0.0.1"}}},
		routes: []proxy.Route{{Listen: []net.Listener{at{address: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 5432}}}}}}
	serve := func(l *localPassword) {
		t.Helper()
		if err := l.serve(one); err != nil {
			t.Fatal(err)
		}
	}
	has := func(when string, want bool) {
		t.Helper()
		text, err := markedfile.Read(path)
		if got := strings.Contains(string(text), "127.0.0.1:5432:"); err != nil || got != want {
			t.Errorf("%s: lines in the file %v, want %v: %v", when, got, want, err)
		}
	}
	old, next := made(), made()
	serve(old)
	has("serving", true)
	old.withdraw()
	has("draining", false)
	serve(old) // a reload that was under way
	has("a reload while it drains", false)
	serve(next)
	old.withdraw()
	has("at the end of the old one", true)
	next.withdraw()
	has("at the end of the new one", false)
}
