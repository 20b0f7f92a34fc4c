package running

import (
	"fmt"
	"runtime"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/config"
)

// PlaceOf is where t is served by a running pgkeyless, or will be. served says which.
func PlaceOf(t config.Target, overTCP bool) (p Place, served bool, err error) {
	if found, ok := Find(t); ok {
		return found.Place(t, overTCP), true, nil
	}
	if err := CheckWay(t); err != nil {
		return Place{}, false, err
	}
	if t.Port == 0 && !t.NoTCP {
		return Place{}, false, causes.Misuse(fmt.Sprintf("pgkeyless chooses the port of %q when it serves it, and no running pgkeyless does", t.Name),
			"start it first, or give it a port of its own")
	}
	p = Place{Host: t.Addresses()[0], Port: t.Port, User: t.User, Database: t.UsualDatabase(), Usual: t.UsualUser()}
	bySocket := (!overTCP || t.NoTCP) && t.UnixSocket != config.SocketNone && runtime.GOOS != "windows"
	switch {
	case bySocket && t.Shared:
		p.Host, err = OwnSocketDir(t)
	case bySocket:
		p.Host, err = SocketDir(t)
	case t.Shared:
		p = OnShared(t.Name, p)
	}
	if err != nil && causes.Hint(err) == "" {
		err = causes.Misuse(fmt.Sprintf("directory for the Unix socket: %v", err), SocketHint)
	}
	return p, false, err
}
