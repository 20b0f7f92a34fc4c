package access

import (
	"fmt"
	"net"
	"os/user"
	"strconv"
	"sync"

	"github.com/pgkeyless/pgkeyless/internal/peercred"
)

// Peers knows whose process a connection comes from. It is safe for concurrent use;
// the zero value is ready.
type Peers struct{ names userNames }

// Of says whose process is at the other end, for people: "ada (pid 4711)" for a Unix
// socket, "ada" for TCP on loopback, or "" where the system does not tell. It asks the
// system for a user's name once.
func (p *Peers) Of(c net.Conn) string {
	client, server := addrPort(c.RemoteAddr()), addrPort(c.LocalAddr())
	if client.IsValid() && (client.Addr().IsLoopback() || server.Addr().IsLoopback()) {
		uid, err := ownerOf(client, server)
		if err != nil {
			return ""
		}
		return p.names.of(uid)
	}
	found, ok := peercred.Of(c)
	if !ok {
		return ""
	}
	name := p.names.of(strconv.Itoa(found.UID))
	if found.PID == 0 {
		return name
	}
	return fmt.Sprintf("%s (pid %d)", name, found.PID)
}

// userNames are users by id, as the system has them. There are as many as the machine
// has users.
type userNames struct {
	mu    sync.Mutex
	known map[string]string
}

func (u *userNames) of(id string) string {
	u.mu.Lock()
	defer u.mu.Unlock()
	if name, ok := u.known[id]; ok {
		return name
	}
	name := id
	if found, err := user.LookupId(id); err == nil {
		name = found.Username
	}
	if u.known == nil {
		u.known = map[string]string{}
	}
	u.known[id] = name
	return name
}
