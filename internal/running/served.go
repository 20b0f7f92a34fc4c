package running

import (
	"cmp"
	"fmt"
	"net"
	"strings"

	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/environ"
)

// Served is one target of a running proxy, and where its clients connect.
type Served struct {
	Name string `json:"name"`
	// Endpoint ("host[:port]") or Ref, an identifier or ARN, names its database.
	Endpoint string `json:"endpoint,omitempty"`
	Ref      string `json:"ref,omitempty"`
	// Options are those that somebody has set, as config reads them.
	Options map[string]string `json:"options,omitempty"`
	Address string            `json:"address"` // "host:port"
	// Addresses are all of them, Address the first.
	Addresses []string `json:"addresses,omitempty"`
	CA        string   `json:"ca,omitempty"`       // the file to verify its certificate by
	Shared    bool     `json:"shared,omitempty"`   // other targets are behind the address, too
	Socket    string   `json:"socket,omitempty"`   // path
	User      string   `json:"user,omitempty"`     // that replaces the clients'
	Database  string   `json:"database,omitempty"` // for clients that name none
}

// Describe is what others may know of t, but for where it listens. env is that
// of the proxy: it may say which profile counts.
func Describe(t config.Target, env []string) Served {
	s := Served{Name: t.Name, Endpoint: t.Endpoint, Ref: t.Ref, Shared: t.Shared, User: t.User, Database: t.Database, Options: map[string]string{}}
	for _, set := range t.Settings() {
		if set.Origin.Source != config.FromDefault {
			s.Options[set.Name] = set.Value
		}
	}
	profile := cmp.Or(environ.LookUp(env, "AWS_PROFILE"), environ.LookUp(env, "AWS_DEFAULT_PROFILE"))
	if profile != "" && s.Options["profile"] == "" && environ.LookUp(env, "AWS_ACCESS_KEY_ID") == "" {
		s.Options["profile"] = profile
	}
	return s
}

// serves reports whether s is t: the same name, unless a config file says that t's
// is another database, or the same database.
func (s Served) serves(t config.Target) bool {
	switch {
	case t.Endpoint != "" && s.Endpoint != "":
		return address(t.Endpoint) == address(s.Endpoint)
	case !t.Named() && strings.EqualFold(s.Name, t.Name):
		return true
	}
	return strings.EqualFold(label(t.Endpoint, t.Ref), label(s.Endpoint, s.Ref))
}

// address is an endpoint with its port.
func address(endpoint string) string {
	endpoint = strings.ToLower(endpoint)
	if _, _, err := net.SplitHostPort(endpoint); err != nil {
		return net.JoinHostPort(strings.Trim(endpoint, "[]"), "5432")
	}
	return endpoint
}

// label is what AWS calls a database: the first label of its endpoint, the last
// part of its ARN, or its identifier.
func label(endpoint, ref string) string {
	if endpoint != "" {
		first, _, _ := strings.Cut(endpoint, ".")
		return first
	}
	return ref[strings.LastIndexAny(ref, ":/")+1:]
}

// differences are the options that the command line gives t, and that contradict
// those with which s is served.
func (s Served) differences(t config.Target) []string {
	var all []string
	for _, set := range t.Settings() {
		if set.Origin.Source != config.FromFlag && set.Origin.Source != config.FromTarget {
			continue
		}
		served := s.Options[set.Name]
		switch {
		case config.Same(set.Name, set.Value, served):
			continue
		case set.Name == "user" && served == "", set.Name == "dbname":
			continue // the client's choice
		case set.Name == "region" && served == "" && strings.Contains(s.Endpoint, "."+set.Value+"."):
			continue
		}
		switch set.Name { // where to listen, and how fast to be
		case "address", "port", "unix-socket", "sessions", "session-age", "keep-alive":
			continue
		}
		all = append(all, fmt.Sprintf("%s is %s there and %s here", set.Name, cmp.Or(served, "not set"), cmp.Or(set.Value, "not set")))
	}
	return all
}
