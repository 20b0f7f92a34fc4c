package serving

import (
	"net"
	"testing"

	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/testenv"
	"github.com/pgkeyless/pgkeyless/proxy"
)

// fakeListener has an address and nothing else.
type fakeListener struct {
	net.Listener
	addr net.Addr
}

func (l fakeListener) Addr() net.Addr { return l.addr }

func TestLinesToPaste(t *testing.T) {
	for _, tt := range []struct {
		ip             string
		user, database string
		want           paste
	}{
		{"127.0.0.1", "app_user", "app", paste{
			"psql -h 127.0.0.1 -p 5433 -U app_user app", "postgresql://app_user@127.0.0.1:5433/app", "jdbc:postgresql://127.0.0.1:5433/app?user=app_user"}},
		{"127.0.0.1", "", "", paste{
			"psql -h 127.0.0.1 -p 5433 -U USER DBNAME", "postgresql://USER@127.0.0.1:5433/DBNAME", "jdbc:postgresql://127.0.0.1:5433/DBNAME?user=USER"}},
		{"127.0.0.1", "", "app", paste{
			"psql -h 127.0.0.1 -p 5433 -U USER app", "postgresql://USER@127.0.0.1:5433/app", "jdbc:postgresql://127.0.0.1:5433/app?user=USER"}},
		{"127.0.0.1", "u", "", paste{
			"psql -h 127.0.0.1 -p 5433 -U u", "postgresql://u@127.0.0.1:5433/", "jdbc:postgresql://127.0.0.1:5433/?user=u"}},
		{"::1", "u", "d", paste{
			"psql -h ::1 -p 5433 -U u d", "postgresql://u@[::1]:5433/d", "jdbc:postgresql://[::1]:5433/d?user=u"}},
		{"0.0.0.0", "u", "d", paste{
			"psql -h 127.0.0.1 -p 5433 -U u d", "postgresql://u@127.0.0.1:5433/d", "jdbc:postgresql://127.0.0.1:5433/d?user=u"}},
		{"::", "u", "d", paste{
			"psql -h 127.0.0.1 -p 5433 -U u d", "postgresql://u@127.0.0.1:5433/d", "jdbc:postgresql://127.0.0.1:5433/d?user=u"}},
		{"127.0.0.1", "it's me@x", "-a b?&", paste{
			`psql -h 127.0.0.1 -p 5433 -U 'it'\''s me@x' '-a b?&'`, "postgresql://it%27s%20me%40x@127.0.0.1:5433/-a%20b%3F&", "jdbc:postgresql://127.0.0.1:5433/-a+b%3F%26?user=it%27s+me%40x"}},
	} {
		f := front{targets: []config.Target{{}}, routes: []proxy.Route{{User: tt.user, Database: tt.database, Listen: []net.Listener{
			fakeListener{addr: &net.UnixAddr{Name: "/x/.s.PGSQL.5433", Net: "unix"}},
			fakeListener{addr: &net.TCPAddr{IP: net.ParseIP(tt.ip), Port: 5433}},
		}}}}
		got := pasteFor(f.shown(0))
		if got != tt.want {
			t.Errorf("user %q, database %q on %s:\n got %q\nwant %q", tt.user, tt.database, tt.ip, got, tt.want)
		}
	}
}

// Where clients of this machine would need a PROXY protocol header, they are shown the
// socket, and connect and exec find no port.
func TestLinesToPasteBesideABalancer(t *testing.T) {
	testenv.NeedsSockets(t)
	tcp := fakeListener{addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 5433}}
	socket := fakeListener{addr: &net.UnixAddr{Name: "/x/.s.PGSQL.5433", Net: "unix"}}
	for _, tt := range []struct {
		listeners     []net.Listener
		psql, address string
	}{
		{[]net.Listener{tcp, socket}, "psql -h /x -p 5433 -U u d", ""},
		{[]net.Listener{tcp}, "psql -h 127.0.0.1 -p 5433 -U u d", "127.0.0.1:5433"},
	} {
		f := front{headed: true, targets: []config.Target{{}}, routes: []proxy.Route{{User: "u", Database: "d", Listen: tt.listeners}}}
		if got := pasteFor(f.shown(0)).psql; got != tt.psql {
			t.Errorf("got %q, want %q", got, tt.psql)
		}
		if got := servedBy(f, 0, way{}, nil); got.Address != tt.address || len(got.Addresses) != 1 {
			t.Errorf("the registry has address %q of %q, want %q", got.Address, got.Addresses, tt.address)
		}
	}
}
