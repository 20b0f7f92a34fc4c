package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/pgkeyless/pgkeyless/internal/config"
)

// register says in the registry what this process serves, in place of what it
// said before. That others find it is a convenience: failing is told in the log.
func (a *app) register(before *announcement, front front, log *slog.Logger) *announcement {
	var all []served
	for i := range front.targets {
		if s := a.servedBy(front, i); s.Socket != "" || runtime.GOOS == "windows" {
			all = append(all, s)
		}
	}
	dir, err := defaultSocketDir()
	if err == nil {
		var now *announcement
		if now, err = (registry{dir}).announce(before, all); err == nil {
			return now
		}
	}
	log.Info("connect and exec will not find this proxy", "reason", oneLine(err.Error()))
	return before
}

// servedBy is what the registry says of target i.
func (a *app) servedBy(front front, i int) served {
	t := front.targets[i]
	s := served{Key: targetKey(t, a.environ), AnyWay: anyWay(t, a.environ), Name: t.Name, Address: front.address(i).String(), Shared: t.Shared, User: t.User, Database: t.Database}
	for _, l := range front.routes[i].Listen {
		if l.Addr().Network() == "unix" {
			s.Socket = l.Addr().String()
		}
	}
	return s
}

// findRunning finds a proxy of this user that serves t to the same ends. Where
// nothing says how to reach t's database, the proxy's way will do, and so will its
// user and database where t names none.
func (a *app) findRunning(t config.Target) (served, bool) {
	key := targetKey(t, a.environ)
	return findServed(func(s served) bool {
		if t.CheckWay() != nil {
			return s.AnyWay == key && (s.User == "" || t.User == "" || s.User == t.User)
		}
		return s.Key == key && (s.User == "" || s.User == t.User)
	})
}

// findServed finds something that a proxy of this user serves.
func findServed(wanted func(served) bool) (served, bool) {
	dir, err := defaultSocketDir()
	if err != nil {
		return served{}, false
	}
	return registry{dir}.find(wanted)
}

// servedAt finds what a proxy of this user serves where t listens.
func servedAt(t config.Target) (served, bool) {
	address := net.JoinHostPort(t.Address, strconv.Itoa(t.Port))
	return findServed(func(s served) bool { return s.Address == address })
}

// checkWay is t.CheckWay for a target that no proxy was found for. It names one
// that serves the same name otherwise.
func checkWay(t config.Target) error {
	err := t.CheckWay()
	if err == nil {
		return nil
	}
	if s, ok := findServed(func(s served) bool { return strings.EqualFold(s.Name, t.Name) }); ok {
		return &usageError{err.Error(), fmt.Sprintf("a pgkeyless of yours serves %q on %s with other options or AWS settings: give the same ones here, or connect there", s.Name, s.Address)}
	}
	return err
}

// place is where a client of t connects.
func (s served) place(t config.Target, overTCP bool) place {
	p := place{user: t.User, database: t.Database}
	if t.CheckWay() != nil {
		p.user, p.database = cmp.Or(t.User, s.User), cmp.Or(t.Database, s.Database)
	}
	if a, err := netip.ParseAddrPort(s.Address); err == nil {
		p.host, p.port = reachable(a.Addr()), int(a.Port())
	}
	if s.Socket != "" && !overTCP {
		p.host = filepath.Dir(s.Socket)
		p.port, _ = strconv.Atoi(strings.TrimPrefix(filepath.Base(s.Socket), ".s.PGSQL."))
	} else if s.Shared {
		p = onShared(s.Name, p)
	}
	return p
}

// anyWay is targetKey for t whatever leads to its database.
func anyWay(t config.Target, environ []string) string {
	t.Via, t.Dial = "", ""
	return targetKey(t, environ)
}

// targetKey stands for t with everything that makes a difference to where its
// clients get and as which AWS identity: the options but for those that say
// where to listen, how fast to be, and as whom to log in, and the AWS variables
// but for the secret ones.
func targetKey(t config.Target, environ []string) string {
	o := t.Options
	o.Address, o.Port, o.UnixSocket = "", 0, ""
	o.Sessions, o.SessionAge, o.KeepAlive = 0, 0, ""
	o.User, o.Database = "", ""
	var aws []string
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, "AWS_") && name != "AWS_SECRET_ACCESS_KEY" && name != "AWS_SESSION_TOKEN" {
			aws = append(aws, entry)
		}
	}
	slices.Sort(aws)
	// Options are strings, numbers and switches: writing them cannot fail.
	b, _ := json.Marshal([]any{strings.ToLower(cmp.Or(t.Endpoint, t.Ref)), o, aws})
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
