package serving

import (
	"net"
	"slices"
	"testing"

	"github.com/pgkeyless/pgkeyless/internal/config"
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
