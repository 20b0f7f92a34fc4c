package running

import "strings"

// LibpqVariables are what would lead a libpq client elsewhere, or make it ask of
// pgkeyless what the database has been asked already: the certificate's name, a
// password, a way to authenticate.
var LibpqVariables = []string{
	"PGHOST", "PGHOSTADDR", "PGPORT", "PGSERVICE", "PGSERVICEFILE", "PGPASSWORD", "PGPASSFILE", "PGREQUIREAUTH", "PGCHANNELBINDING",
	"PGSSLMODE", "PGREQUIRESSL", "PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY", "PGSSLNEGOTIATION", "PGGSSENCMODE", "DATABASE_URL",
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
