package running

import (
	"cmp"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/pgkeyless/pgkeyless/internal/environ"
	"github.com/pgkeyless/pgkeyless/internal/passfile"
	"github.com/pgkeyless/pgkeyless/internal/secret"
)

// Place is where a client connects to one target, and as whom.
type Place struct {
	Host string // a host name or address, or the directory of a Unix socket
	Port int
	// CA is the file with the certificate by which clients can verify the listener;
	// empty where there is none.
	CA string
	// AnyPeer says that a socket may have been opened by another user, as systemd's
	// by root, and passed on to a process of this one.
	AnyPeer bool
	// PassFile is the password file with the password that a client over TCP needs; empty
	// where it needs none. Password is what it holds, or zero: see WithPassword.
	PassFile string
	Password secret.Text
	// Asks says that a client must prove who it is, with a password or certificate of its
	// own.
	Asks bool
	// User and Database are empty where they are the client's own choice.
	User, Database string
	// Usual is the user for a client that chooses none; empty leaves it to libpq.
	Usual string
}

// Variable is one of the environment, for a client.
type Variable struct{ Name, Value string }

// Variables are libpq's, and DATABASE_URL, which most other clients read, and what
// makes clients trust the listener.
// env is the client's: a user or database that the target leaves open may be
// named there.
func (p Place) Variables(env []string) []Variable {
	vars := []Variable{{"PGHOST", p.Host}, {"PGPORT", strconv.Itoa(p.Port)}}
	if user := p.userIn(env); p.User != "" || user != environ.LookUp(env, "PGUSER") {
		vars = append(vars, Variable{"PGUSER", user})
	}
	if p.Database != "" {
		vars = append(vars, Variable{"PGDATABASE", p.Database})
	}
	if p.PassFile != "" { // and none but SCRAM: whoever has taken the port could ask for it in clear text
		vars = append(vars, Variable{passfile.Variable, p.PassFile}, Variable{"PGREQUIREAUTH", "scram-sha-256"})
	}
	vars = append(vars, Variable{"DATABASE_URL", p.URL(env)})
	return append(vars, p.trust(env)...)
}

// userIn is whom a client with that environment logs in as, "" where libpq decides.
func (p Place) userIn(env []string) string {
	return cmp.Or(p.User, environ.LookUp(env, "PGUSER"), p.Usual)
}

// URL is p as a connection URL. A socket's directory goes into the query: libpq
// and most drivers take it there.
func (p Place) URL(env []string) string {
	user, database := p.userIn(env), p.Database
	if database == "" {
		database = environ.LookUp(env, "PGDATABASE")
	}
	u := url.URL{Scheme: "postgresql", Path: "/" + database}
	switch {
	case user != "" && p.Password.Reveal() != "":
		u.User = url.UserPassword(user, p.Password.Reveal())
	case user != "":
		u.User = url.User(user)
	}
	if strings.HasPrefix(p.Host, "/") {
		u.RawQuery = url.Values{"host": {p.Host}, "port": {strconv.Itoa(p.Port)}}.Encode()
	} else {
		u.Host = net.JoinHostPort(p.Host, strconv.Itoa(p.Port))
	}
	return u.String()
}

// WithPassword is p with the password that its PassFile holds, for clients that read no
// such file: it is in their URL then.
func (p Place) WithPassword() Place {
	if p.PassFile != "" {
		p.Password, _, _ = passfile.Read(p.PassFile) // a client that is refused says why
	}
	return p
}

// OnShared names a target, on a shared port, behind the user of p, or behind the
// database where the user is the client's choice.
func OnShared(name string, p Place) Place {
	if p.User != "" {
		p.User += "@" + name
	} else {
		p.Database += "@" + name
	}
	return p
}

// Reachable is the address at which a client on this machine finds a listener.
func Reachable(a netip.Addr) string {
	a = a.Unmap()
	switch a {
	case netip.IPv4Unspecified(), netip.IPv6Unspecified():
		return "127.0.0.1" // Go listens to both families on [::]
	}
	return a.String()
}
