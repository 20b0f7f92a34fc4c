package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"net/netip"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/pgkeyless/pgkeyless/config"
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
	s := served{Key: targetKey(t, a.environ), Name: t.Name, Address: front.address(i).String(), Shared: t.Shared, User: t.User, Database: t.Database}
	for _, l := range front.routes[i].Listen {
		if l.Addr().Network() == "unix" {
			s.Socket = l.Addr().String()
		}
	}
	return s
}

// findRunning finds a proxy of this user that serves t to the same ends.
func (a *app) findRunning(t config.Target) (served, bool) {
	dir, err := defaultSocketDir()
	if err != nil {
		return served{}, false
	}
	return registry{dir}.find(func(s served) bool {
		return s.Key == targetKey(t, a.environ) && (s.User == "" || s.User == t.User)
	})
}

// place is where a client of t connects.
func (s served) place(t config.Target, overTCP bool) place {
	p := place{user: t.User, database: t.Database}
	if a, err := netip.ParseAddrPort(s.Address); err == nil {
		p.host, p.port = reachable(a.Addr()), int(a.Port())
	}
	if s.Socket != "" && !overTCP {
		p.host = filepath.Dir(s.Socket)
		p.port, _ = strconv.Atoi(strings.TrimPrefix(filepath.Base(s.Socket), ".s.PGSQL."))
	} else if s.Shared {
		p = onShared(t, p)
	}
	return p
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
