package running

import (
	"os/user"
	"path/filepath"
	"slices"

	"github.com/pgkeyless/pgkeyless/internal/environ"
)

// LibpqVariables are what would lead a libpq client elsewhere, or make it ask of
// pgkeyless what the database has been asked already: the certificate's name, a
// password, a way to authenticate, the user of the process at the other end of a
// socket, whether the server is a standby.
//
// Source: PostgreSQL 18 docs, libpq-envars.html.
var LibpqVariables = []string{
	"PGHOST", "PGHOSTADDR", "PGPORT", "PGSERVICE", "PGSERVICEFILE", "PGTARGETSESSIONATTRS", "PGLOADBALANCEHOSTS", "DATABASE_URL",
	"PGPASSWORD", "PGPASSFILE", "PGREQUIREAUTH", "PGREQUIREPEER", "PGCHANNELBINDING",
	"PGSSLMODE", "PGREQUIRESSL", "PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY", "PGSSLCERTMODE", "PGSSLCRL", "PGSSLCRLDIR", "PGSSLSNI",
	"PGSSLNEGOTIATION", "PGSSLMINPROTOCOLVERSION", "PGSSLMAXPROTOCOLVERSION", "PGSSLCOMPRESSION",
	"PGGSSENCMODE", "PGGSSLIB", "PGGSSDELEGATION", "PGKRBSRVNAME",
}

// proving are those of LibpqVariables with which a client proves who it is, and says how.
var proving = []string{"PGPASSWORD", "PGPASSFILE", "PGREQUIREAUTH", "PGCHANNELBINDING", "PGSSLMODE", "PGSSLCERT", "PGSSLKEY", "PGSSLCERTMODE"}

// Misleading are the variables of libpq that a client of p must not have.
func (p Place) Misleading() []string {
	if !p.Asks {
		return LibpqVariables
	}
	return slices.DeleteFunc(slices.Clone(LibpqVariables), func(name string) bool { return slices.Contains(proving, name) })
}

// ChildEnvironment is env for a program that connects to p. On a socket, libpq checks
// before it sends a byte that the process at the other end is this user's.
func ChildEnvironment(env []string, p Place) []string {
	kept := environ.Without(env, p.Misleading())
	for _, v := range p.Variables(env) {
		kept = append(kept, v.Name+"="+v.Value) // the last one of a name counts
	}
	if filepath.IsAbs(p.Host) && !p.AnyPeer {
		if me, err := user.Current(); err == nil && me.Username != "" { // a container may have no name for its user
			kept = append(kept, "PGREQUIREPEER="+me.Username)
		}
	}
	return kept
}
