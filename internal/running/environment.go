package running

import "strings"

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

// ChildEnvironment is environ for a program that connects to p.
func ChildEnvironment(environ []string, p Place) []string {
	drop := map[string]bool{}
	for _, name := range LibpqVariables {
		drop[name] = true
	}
	var kept []string
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		if !drop[name] {
			kept = append(kept, entry)
		}
	}
	for _, v := range p.Variables(environ) {
		kept = append(kept, v.Name+"="+v.Value) // the last one of a name counts
	}
	return kept
}
