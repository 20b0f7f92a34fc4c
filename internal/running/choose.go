package running

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/pgkeyless/pgkeyless/auth"
	"github.com/pgkeyless/pgkeyless/internal/config"
)

// choose picks from all what serves t. What has t's name takes precedence over what leads to
// the same database under another one, as a target and its read-only sibling do. Of
// several alike, one that the command line does not contradict goes first.
func choose(all []Served, t config.Target) (Served, bool) {
	fits := func(s Served) bool { return len(s.differences(t)) == 0 }
	for _, wanted := range []func(Served) bool{
		func(s Served) bool { return s.serves(t) && s.hasNameOf(t) && fits(s) },
		func(s Served) bool { return s.serves(t) && s.hasNameOf(t) },
		func(s Served) bool { return s.serves(t) && fits(s) },
		func(s Served) bool { return s.serves(t) },
	} {
		for _, s := range all {
			if wanted(s) {
				return s, true
			}
		}
	}
	return Served{}, false
}

func (s Served) hasNameOf(t config.Target) bool { return strings.EqualFold(s.Name, t.Name) }

// serves reports whether s is t: its name, where nothing says which database that
// is, or else its database.
func (s Served) serves(t config.Target) bool {
	if t.Endpoint == "" && !t.Named() && !isARN(t.Ref) && s.hasNameOf(t) {
		return true
	}
	return databaseOf(t).is(s.database()) && (!t.Named() || s.hasNameOf(t) || s.alike(t))
}

// database is what is known of where a target leads, without a question to AWS.
type database struct {
	address string // of its endpoint, or ""
	arn     string // or ""
	label   string // what AWS calls it, as far as that is known
	// The account and region in which label counts, and which endpoint of a cluster
	// is meant. "" is not known.
	profile, region, endpoint string
}

func newDatabase(endpoint, ref string) database {
	if endpoint == "" {
		d := database{label: ref, endpoint: config.EndpointWriter}
		if isARN(ref) {
			d.arn, d.label, d.region = ref, ref[strings.LastIndex(ref, ":")+1:], strings.Split(ref, ":")[3]
		}
		return d
	}
	e, err := auth.ParseEndpoint(endpoint)
	if err != nil { // config has let it pass, so that nothing comes of it
		return database{address: endpoint, label: endpoint}
	}
	d := database{address: e.Address(), region: e.Region}
	d.label, _, _ = strings.Cut(e.Host, ".")
	switch e.Kind {
	case auth.KindCluster:
		d.endpoint = config.EndpointWriter
	case auth.KindClusterReader:
		d.endpoint = config.EndpointReader
	}
	return d
}

// isARN tells an ARN from an identifier, which has no colon.
func isARN(ref string) bool { return strings.Count(ref, ":") >= 5 }

// databaseOf is t's, by its name and its config file. What the command line says
// beside that is for differences, and the environment says nothing: it may be
// another one than the proxy's.
func databaseOf(t config.Target) database {
	d := newDatabase(t.Endpoint, t.Ref)
	for _, set := range t.Settings() {
		switch {
		case set.Origin.Source == config.FromDefault:
		case set.Name == "endpoint" && set.Origin.Source != config.FromFile:
			d.endpoint = ""
		case set.Origin.Source == config.FromFile:
			d.set(set.Name, set.Value)
		}
	}
	return d
}

// database is that of s.
func (s Served) database() database {
	d := newDatabase(s.Endpoint, s.Ref)
	for name, value := range s.Options {
		d.set(name, value)
	}
	return d
}

// set takes an option's value.
func (d *database) set(option, value string) {
	switch option {
	case "profile":
		d.profile = value
	case "region":
		d.region = cmp.Or(d.region, value)
	case "endpoint":
		d.endpoint = value
	}
}

// is reports whether nothing speaks against d and other being one database. An
// identifier is that of a database in one account and region alone.
func (d database) is(other database) bool {
	agree := func(a, b string) bool { return a == "" || b == "" || strings.EqualFold(a, b) }
	if d.address != "" && other.address != "" {
		return d.address == other.address
	}
	return agree(d.arn, other.arn) && strings.EqualFold(d.label, other.label) &&
		agree(d.region, other.region) && agree(d.profile, other.profile) && agree(d.endpoint, other.endpoint)
}

// alike reports whether the clients of s get what t's would, which a config file
// calls otherwise: the file may have two targets for one database, to tell apart
// what their clients may do there, or one identifier in two accounts.
func (s Served) alike(t config.Target) bool {
	for _, set := range t.Settings() {
		mine, theirs := set.Value, s.value(set.Name)
		stated := set.Origin.Source != config.FromDefault
		if !stated {
			mine = "" // the default in words
		}
		switch {
		case onCommandLine(set), ofNoConcern(set.Name), config.Same(set.Name, mine, theirs):
			continue
		case set.Name == "user" && theirs == "":
			continue // the client's choice
		}
		switch set.Name {
		case "user", "read-only", "statement-timeout", "endpoint":
			return false
		case "profile", "region":
			if stated || t.Ref != "" {
				return false
			}
		default:
			if stated {
				return false
			}
		}
	}
	return true
}

// value is that of an option of s, "" where it is not known.
func (s Served) value(option string) string {
	if option == "region" {
		return s.database().region
	}
	return s.Options[option]
}

// differences are the options that the command line gives t, and that contradict
// those with which s is served.
func (s Served) differences(t config.Target) []string {
	var all []string
	for _, set := range t.Settings() {
		served := s.Options[set.Name]
		switch {
		case !onCommandLine(set), ofNoConcern(set.Name), config.Same(set.Name, set.Value, s.value(set.Name)):
			continue
		case set.Name == "user" && served == "":
			continue // the client's choice
		}
		all = append(all, fmt.Sprintf("%s is %s there and %s here", set.Name, cmp.Or(served, "not set"), cmp.Or(set.Value, "not set")))
	}
	return all
}

func onCommandLine(set config.Setting) bool {
	return set.Origin.Source == config.FromFlag || set.Origin.Source == config.FromTarget
}

// ofNoConcern is what does not matter to who looks for a running proxy: where it
// listens, how fast it is, and the database that clients choose.
func ofNoConcern(option string) bool {
	switch option {
	case "address", "port", "unix-socket", "sessions", "session-age", "keep-alive", "ssmmessages-endpoint", "dbname":
		return true
	}
	return false
}
