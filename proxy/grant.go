package proxy

import (
	"errors"
	"slices"
	"strings"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// maxApplicationName is what PostgreSQL keeps of an application_name, in bytes.
const maxApplicationName = 63

// Wanted is what a client wants that has proved who it is.
type Wanted struct {
	Identity string
	Named    string // database user that the client names
	User     string // database user that its Route makes of that
	Route    string
}

// Grant says how a client that has proved who it is logs in. The zero value changes
// nothing.
type Grant struct {
	// User, when not empty, replaces the database user that the client names.
	User string
	// Settings are added to those of the Route, and override them.
	Settings []Setting
	// Role, when not empty, is passed to Route.As with the client's identity.
	Role string
	// As names whose rights the login uses, for audits. Empty means the Route's own.
	As string
}

// granted asks Config.Grants what the client may do, and applies the answer to the Route
// of this session.
func (s *session) granted(m startupMessage) error {
	if s.identity == "" || s.server.grants == nil {
		return nil
	}
	g, err := s.server.grants(Wanted{Identity: s.identity, Named: m.value("user"), User: s.route.rewrite(m).value("user"), Route: s.route.Name})
	if err != nil {
		return &unproven{err}
	}
	own := *s.route
	if g.User != "" {
		own.User = g.User
	}
	own.Settings = append(slices.Clone(own.Settings), g.Settings...)
	s.route, s.role, s.guards = &own, g.Role, g.Settings
	s.server.tally.edit(s.entry, func(e *SessionSnapshot) { e.As = g.As })
	return nil
}

// signed is m with the client's identity as application_name, where it names none: the
// database's own logs then say who that is.
func (s *session) signed(m startupMessage) startupMessage {
	if s.identity == "" || m.value("application_name") != "" {
		return m
	}
	name := strings.ToValidUTF8(s.identity[:min(len(s.identity), maxApplicationName)], "")
	return startupMessage{version: m.version, params: with(m.params, "application_name", name)}
}

// errNoRoles is a Grant that a Route cannot satisfy.
var errNoRoles = errors.New("this target knows no roles")

// own is found with the rights of this client, and with its guards.
func (s *session) own(found *Route) (*Route, error) {
	with, err := s.inRole(found)
	if err != nil || len(s.guards) == 0 {
		return with, err
	}
	guarded := *with
	guarded.Settings = append(slices.Clone(guarded.Settings), s.guards...)
	return &guarded, nil
}

// inRole is found with the rights of the role that this client has.
func (s *session) inRole(found *Route) (*Route, error) {
	if s.role == "" {
		return found, nil
	}
	if found.As == nil {
		return nil, notFound.New(causes.Facts{"database": found.Name}, errNoRoles)
	}
	as, err := found.As(s.role, s.identity)
	if err != nil {
		return nil, notFound.New(causes.Facts{"database": found.Name}, err)
	}
	as.Name, as.Aliases, as.Listen, as.Resolve = found.Name, found.Aliases, found.Listen, nil
	return &as, as.leads()
}
