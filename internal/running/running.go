package running

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
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

// Find finds a proxy of this user that serves t to the same ends. Where
// nothing says how to reach t's database, the proxy's way will do, and so will its
// user and database where t names none.
func Find(t config.Target, environ []string) (Served, bool) {
	key := TargetKey(t, environ)
	return FindServed(func(s Served) bool {
		if t.CheckWay() != nil {
			return s.AnyWay == key && (s.User == "" || t.User == "" || s.User == t.User)
		}
		return s.Key == key && (s.User == "" || s.User == t.User)
	})
}

// FindServed finds something that a proxy of this user serves.
func FindServed(wanted func(Served) bool) (Served, bool) {
	dir, err := DefaultSocketDir()
	if err != nil {
		return Served{}, false
	}
	return registry{dir}.find(wanted)
}

// ServedAt finds what a proxy of this user serves where t listens.
func ServedAt(t config.Target) (Served, bool) {
	address := net.JoinHostPort(t.Address, strconv.Itoa(t.Port))
	return FindServed(func(s Served) bool { return s.Address == address })
}

// CheckWay is t.CheckWay for a target that no proxy was found for. It names one
// that serves the same name otherwise.
func CheckWay(t config.Target) error {
	err := t.CheckWay()
	if err == nil {
		return nil
	}
	if s, ok := FindServed(func(s Served) bool { return strings.EqualFold(s.Name, t.Name) }); ok {
		return causes.Misuse(err.Error(), fmt.Sprintf("a pgkeyless of yours serves %q on %s with other options or AWS settings: give the same ones here, or connect there", s.Name, s.Address))
	}
	return err
}

// Place is where a client of t connects.
func (s Served) Place(t config.Target, overTCP bool) Place {
	p := Place{User: t.User, Database: t.Database}
	if t.CheckWay() != nil {
		p.User, p.Database = cmp.Or(t.User, s.User), cmp.Or(t.Database, s.Database)
	}
	if a, err := netip.ParseAddrPort(s.Address); err == nil {
		p.Host, p.Port = Reachable(a.Addr()), int(a.Port())
	}
	if s.Socket != "" && !overTCP {
		p.Host = filepath.Dir(s.Socket)
		p.Port, _ = strconv.Atoi(strings.TrimPrefix(filepath.Base(s.Socket), ".s.PGSQL."))
	} else if s.Shared {
		p = OnShared(s.Name, p)
	}
	return p
}

// AnyWay is targetKey for t whatever leads to its database.
func AnyWay(t config.Target, environ []string) string {
	t.Via, t.Dial = "", ""
	return TargetKey(t, environ)
}

// TargetKey stands for t with everything that makes a difference to where its
// clients get and as which AWS identity: the options but for those that say
// where to listen, how fast to be, and as whom to log in, and the AWS variables
// but for the secret ones.
func TargetKey(t config.Target, environ []string) string {
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
