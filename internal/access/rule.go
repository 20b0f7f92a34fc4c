package access

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/peercred"
)

// Anyone among the names of NewRule lets in every user of the machine.
const Anyone = "any"

// errClientLeft is a client whose socket has no owner any more.
var errClientLeft = errors.New("the client has closed its connection")

// errCannotTell is a system that does not say whose a socket is.
var errCannotTell = errors.New("this system does not say who owns a connection on loopback")

// ownerUnknown has no name, and so no row in the table of causes: where the system tells
// owners at all, a client without one has left, and reads no error.
var ownerUnknown = causes.Cause{
	SQLState: "28000",
	Message:  "this proxy is for {owner} only, and the system does not say who owns this client: {said}",
	Hint:     "connect over the Unix socket; `--allow-users any` lets in every user of this machine",
}

// Rule says which users of this machine may connect over TCP on loopback. It is safe
// for concurrent use.
type Rule struct {
	me      user.User
	allowed []string // ids of users
	anyone  bool
	names   userNames
	owner   func(client, server netip.AddrPort) (uid string, err error)
}

// NewRule lets in the user who runs this process, root, and the named users, which
// are names, numbers or Anyone. A name that the system does not know is an error.
func NewRule(names []string) (*Rule, error) {
	me, err := whoRuns()
	if err != nil {
		return nil, fmt.Errorf("finding out who runs this process: %w", err)
	}
	r := &Rule{me: me, allowed: append([]string{me.Uid}, superusers...), owner: ownerOf}
	for _, name := range names {
		if strings.EqualFold(name, Anyone) {
			r.anyone = true
			continue
		}
		found, err := user.Lookup(name)
		if err != nil {
			found, err = user.LookupId(name)
		}
		switch {
		case err == nil:
			r.allowed = append(r.allowed, found.Uid)
		case isNumber(name): // of a container, which needs no name
			r.allowed = append(r.allowed, name)
		default:
			return nil, causes.Misuse(fmt.Sprintf("allow-users: this system has no user %q", name), "name users of this machine, or `any` for all of them")
		}
	}
	return r, nil
}

// whoRuns is the user of this process. In a container users have numbers, and perhaps no
// names: there is no /etc/passwd to ask.
func whoRuns() (user.User, error) {
	if os.Getuid() < 0 { // Windows has none
		me, err := user.Current()
		if err != nil {
			return user.User{}, err
		}
		return *me, nil
	}
	id := strconv.Itoa(os.Getuid())
	if me, err := user.LookupId(id); err == nil {
		return *me, nil
	}
	return user.User{Uid: id, Username: id}, nil
}

func isNumber(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}

// Check is nil when the system tells whose connections on loopback are, or the Rule
// does not care. It makes one to find out.
func (r *Rule) Check() error {
	if r.anyone {
		return nil
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	c, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		return err
	}
	defer c.Close()
	uid, err := r.owner(addrPort(c.LocalAddr()), addrPort(l.Addr()))
	if err == nil && uid != r.me.Uid {
		err = fmt.Errorf("%w: it says %s, and this process is %s's", errCannotTell, uid, r.me.Uid)
	}
	return err
}

// Admit is nil for a client that may connect: on loopback and over a Unix socket, if it
// is one of the allowed users'; from another machine, which is not this Rule's concern.
// Otherwise it is the error for the client.
//
// A connection to a loopback address is a local one, whatever address the client has
// bound its end to.
func (r *Rule) Admit(c net.Conn) error {
	client, server := addrPort(c.RemoteAddr()), addrPort(c.LocalAddr())
	switch {
	case r.anyone:
		return nil
	case !client.IsValid():
		return r.AdmitUnix(c)
	case !client.Addr().IsLoopback() && !server.Addr().IsLoopback():
		return nil
	}
	uid, err := r.owner(client, server)
	if err != nil {
		return ownerUnknown.New(causes.Facts{"owner": r.me.Username}, err)
	}
	return r.judge(uid)
}

// AdmitUnix is Admit for Unix sockets alone. Their mode keeps others out where pgkeyless
// has made them; one that it was started with may have another.
func (r *Rule) AdmitUnix(c net.Conn) error {
	p, known := peercred.Of(c)
	if r.anyone || !known {
		return nil
	}
	return r.judge(strconv.Itoa(p.UID))
}

func (r *Rule) judge(uid string) error {
	if slices.Contains(r.allowed, uid) {
		return nil
	}
	return causes.OtherUser.New(causes.Facts{"owner": r.me.Username, "user": r.names.of(uid)}, nil)
}

// addrPort is the address of a TCP socket, without the mapping of IPv4 into IPv6.
func addrPort(a net.Addr) netip.AddrPort {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	at := tcp.AddrPort()
	return netip.AddrPortFrom(at.Addr().Unmap().WithZone(""), at.Port())
}
