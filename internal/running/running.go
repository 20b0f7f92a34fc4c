package running

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/config"
)

// Find finds a running proxy of this user that serves t: by the target's name, or
// by the database that it leads to. The environment and the config file may differ
// from the proxy's; only what the command line says of t may contradict it.
func Find(t config.Target) (Served, bool) {
	s, ok := choose(served(), t)
	return s, ok && len(s.differences(t)) == 0
}

// served is what the running proxies of this user serve.
func served() []Served {
	dir, err := defaultSocketDir()
	if err != nil {
		return nil
	}
	return registry{dir}.served()
}

// ServedAt finds what a proxy of this user serves at that address, a host.
func ServedAt(address string, port int) (Served, bool) {
	hostPort := net.JoinHostPort(address, strconv.Itoa(port))
	for _, s := range served() {
		if s.Address == hostPort || slices.Contains(s.Addresses, hostPort) {
			return s, true
		}
	}
	return Served{}, false
}

// CheckWay is t.CheckWay for a target that no proxy was found for. It names one
// that serves t with other options than the command line has.
func CheckWay(t config.Target) error {
	err := t.CheckWay()
	if err == nil {
		return nil
	}
	if s, ok := choose(served(), t); ok {
		return causes.Misuse(err.Error(), fmt.Sprintf("a running pgkeyless serves %q on %s with other options: %s; give the same ones here, or connect there",
			s.Name, cmp.Or(s.Address, s.Socket), strings.Join(s.differences(t), ", ")))
	}
	return err
}

// Place is where a client of t connects, and as whom: the user of s replaces what a
// client says.
func (s Served) Place(t config.Target, overTCP bool) Place {
	p := Place{CA: s.CA, User: cmp.Or(s.User, t.User), Database: cmp.Or(t.Database, s.Database, t.UsualDatabase()), Usual: cmp.Or(s.Usual, t.UsualUser())}
	if a, err := netip.ParseAddrPort(s.Address); err == nil {
		p.Host, p.Port = Reachable(a.Addr()), int(a.Port())
	}
	if s.Socket != "" && (!overTCP || s.Address == "") {
		p.Host, p.AnyPeer = filepath.Dir(s.Socket), s.Inherited
		p.Port, _ = strconv.Atoi(strings.TrimPrefix(filepath.Base(s.Socket), ".s.PGSQL."))
	} else {
		p.PassFile, p.Asks = s.PassFile, s.Asks
		if s.Shared {
			p = OnShared(s.Name, p)
		}
	}
	return p
}
