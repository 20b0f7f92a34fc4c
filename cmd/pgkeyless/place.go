package main

import (
	"net"
	"net/url"
	"strconv"
	"strings"
)

// place is where a client connects to one target, and as whom.
type place struct {
	host string // a host name or address, or the directory of a Unix socket
	port int
	// user and database are empty where they are the client's own choice.
	user, database string
}

// variable is one of the environment, for a client.
type variable struct{ name, value string }

// variables are libpq's, and DATABASE_URL, which most other clients read.
// environ is the client's: a user or database that the target leaves open may be
// named there.
func (p place) variables(environ []string) []variable {
	vars := []variable{{"PGHOST", p.host}, {"PGPORT", strconv.Itoa(p.port)}}
	if p.user != "" {
		vars = append(vars, variable{"PGUSER", p.user})
	}
	if p.database != "" {
		vars = append(vars, variable{"PGDATABASE", p.database})
	}
	return append(vars, variable{"DATABASE_URL", p.url(environ)})
}

// url is p as a connection URL. A socket's directory goes into the query: libpq
// and most drivers take it there.
func (p place) url(environ []string) string {
	user, database := p.user, p.database
	if user == "" {
		user = lookUp(environ, "PGUSER")
	}
	if database == "" {
		database = lookUp(environ, "PGDATABASE")
	}
	u := url.URL{Scheme: "postgresql", Path: "/" + database}
	if user != "" {
		u.User = url.User(user)
	}
	if strings.HasPrefix(p.host, "/") {
		u.RawQuery = url.Values{"host": {p.host}, "port": {strconv.Itoa(p.port)}}.Encode()
	} else {
		u.Host = net.JoinHostPort(p.host, strconv.Itoa(p.port))
	}
	return u.String()
}

// lookUp returns the last value of name in environ, or "".
func lookUp(environ []string, name string) string {
	value := ""
	for _, entry := range environ {
		if v, ok := strings.CutPrefix(entry, name+"="); ok {
			value = v
		}
	}
	return value
}
