package running

import (
	"cmp"

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
	CA        string   `json:"ca,omitempty"` // the file to verify its certificate by
	// Asks says that clients at Address must prove who they are with what they have.
	Asks bool `json:"asks,omitempty"`
	// PassFile is the password file with the password that clients at Address need.
	PassFile string `json:"passfile,omitempty"`
	Shared   bool   `json:"shared,omitempty"` // other targets are behind the address, too
	Socket   string `json:"socket,omitempty"` // path
	// Inherited says that another process opened Socket, perhaps another user's.
	Inherited bool   `json:"inherited,omitempty"`
	User      string `json:"user,omitempty"`     // that replaces the clients'
	Database  string `json:"database,omitempty"` // for clients that name none
	Usual     string `json:"usual,omitempty"`    // user for clients that choose none
}

// Describe is what others may know of t, but for where it listens. env is that
// of the proxy: it may say which profile counts.
func Describe(t config.Target, env []string) Served {
	s := Served{Name: t.Name, Endpoint: t.Endpoint, Ref: t.Ref, Shared: t.Shared, User: t.User, Database: t.UsualDatabase(), Usual: t.UsualUser(), Options: map[string]string{}}
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
