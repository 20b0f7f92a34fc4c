package serving

import (
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/supervisor"
	"github.com/pgkeyless/pgkeyless/internal/testenv"
	"github.com/pgkeyless/pgkeyless/proxy"
)

// words is a Supervisor that notes what it is told.
type words struct {
	alone
	told []string
}

func (w *words) Ready(status string) { w.told = append(w.told, "ready: "+status) }
func (w *words) Reloading()          { w.told = append(w.told, "reloading") }
func (w *words) Stopping(status string, _ time.Duration) {
	w.told = append(w.told, "stopping: "+status)
}

// A reload that a signal overtakes must not say that the run is ready again.
func TestNothingIsSaidAfterStopping(t *testing.T) {
	var w words
	s := &supervised{supervisor: &w, status: func() string { return "x" }}
	s.ready()
	s.reloading()
	s.stopping()
	s.ready()
	s.reloading()
	if want := []string{"ready: x", "reloading", "stopping: x"}; !slices.Equal(w.told, want) {
		t.Errorf("told %q, want %q", w.told, want)
	}
}

func TestInheritedSocketsGoByName(t *testing.T) {
	tcp, six := fakeListener{addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 5433}}, fakeListener{addr: &net.TCPAddr{IP: net.IPv6loopback, Port: 5433}}
	unix, other := fakeListener{addr: &net.UnixAddr{Name: "/x/.s.PGSQL.5433", Net: "unix"}}, fakeListener{addr: &net.TCPAddr{Port: 5432}}
	in := inherited{{Name: "Orders", Listener: tcp}, {Name: "orders", Listener: unix}, {Name: "orders", Listener: six}, {Name: SharedPort, Listener: other}}
	if gotTCP, gotUnix := in.of("orders"); !slices.Equal(gotTCP, []net.Listener{tcp, six}) || !slices.Equal(gotUnix, []net.Listener{unix}) {
		t.Errorf("orders has %v and %v", gotTCP, gotUnix)
	}
	orders, shared := config.Target{Name: "orders"}, config.Target{Name: "stock", Shared: true}
	for _, tt := range []struct {
		name    string
		targets []config.Target
		err     string
	}{
		{"all meant", []config.Target{orders, shared}, ""},
		{"no shared port", []config.Target{orders}, `systemd passed a socket named "shared-port" for :5432, and no target has that name`},
		{"another target", []config.Target{shared}, `systemd passed a socket named "Orders" for 127.0.0.1:5433, and no target has that name`},
		{"a target of that name", []config.Target{orders, {Name: SharedPort}}, ""},
	} {
		if err := in.check(tt.targets); tt.err == "" && err != nil || tt.err != "" && (err == nil || err.Error() != tt.err) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.err)
		}
	}
	if name := new(ports).sharedName([]config.Target{{Name: SharedPort}}); name != "" {
		t.Errorf("a target's sockets are for the shared port, too: %q", name)
	}
}

// An inherited socket takes the place of the target's own, and a reload leaves it to
// the target.
func TestInheritedInPlaceOfOwn(t *testing.T) {
	target := config.Target{Name: "orders", Options: config.Options{Address: config.Localhost, Port: 5432, UnixSocket: config.SocketNone}}
	own := fakeListener{addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 5433}}
	machine := &fakeNet{next: 50000}
	p := &ports{listen: machine.listen, inherited: inherited{supervisor.Socket{Name: "orders", Listener: own}}}
	for range 2 {
		got, _, err := listen(t.Context(), target, target.Name, p)
		if err != nil || !slices.Equal(got, []net.Listener{own}) || len(machine.asked) > 0 || len(p.open) > 0 {
			t.Fatalf("%v, %v; asked for %v, open %v", got, err, machine.asked, p.open)
		}
		p = portsOf(front{targets: []config.Target{target}, routes: []proxy.Route{{Listen: got}}, inherited: p.inherited})
		p.listen = machine.listen
	}
}

func TestReadyLines(t *testing.T) {
	testenv.NeedsSockets(t)
	tcp := fakeListener{addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 5433}}
	all := fakeListener{addr: &net.TCPAddr{IP: net.IPv6zero, Port: 5432}}
	unix := fakeListener{addr: &net.UnixAddr{Name: "/x/.s.PGSQL.5433", Net: "unix"}}
	odd := fakeListener{addr: &net.UnixAddr{Name: "/x/orders", Net: "unix"}}
	f := front{
		targets: []config.Target{{Name: "orders"}, {Name: "stock", Shared: true}},
		routes:  []proxy.Route{{User: "app&user", Listen: []net.Listener{tcp, unix, odd}}, {Database: "stock"}},
		shared:  []net.Listener{all},
	}
	var b strings.Builder
	if err := writeReady(&b, f); err != nil {
		t.Fatal(err)
	}
	want := `{"target":"orders","address":"127.0.0.1:5433","host":"127.0.0.1","port":5433,"user":"app&user","url":"postgresql://app&user@127.0.0.1:5433/"}
{"target":"orders","socket":"/x/.s.PGSQL.5433","host":"/x","port":5433,"user":"app&user","url":"postgresql://app&user@/?host=%2Fx&port=5433"}
{"target":"orders","socket":"/x/orders","user":"app&user"}
{"target":"stock","address":"[::]:5432","host":"127.0.0.1","port":5432,"database":"stock@stock","url":"postgresql://127.0.0.1:5432/stock@stock","shared":true}
`
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}

func TestBeyondLoopback(t *testing.T) {
	at := func(ips ...string) front {
		r := proxy.Route{Listen: []net.Listener{fakeListener{addr: &net.UnixAddr{Name: "/x", Net: "unix"}}}}
		for _, ip := range ips {
			r.Listen = append(r.Listen, fakeListener{addr: &net.TCPAddr{IP: net.ParseIP(ip), Port: 1}})
		}
		return front{targets: []config.Target{{}}, routes: []proxy.Route{r}}
	}
	for _, tt := range []struct {
		f    front
		want string
	}{{at("127.0.0.1", "::1"), "<nil>"}, {at("127.0.0.1", "10.0.0.1"), "10.0.0.1:1"}, {at("0.0.0.0"), "0.0.0.0:1"}, {at("::"), "[::]:1"}} {
		if got := tt.f.beyond(0); got.String() != tt.want {
			t.Errorf("beyond is %v, want %s", got, tt.want)
		}
	}
}
