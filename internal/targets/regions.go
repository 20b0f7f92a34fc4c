package targets

import "github.com/pgkeyless/pgkeyless/auth"

// Regions are those of AWS that have RDS, as far as this build knows them.
func Regions() []string { return auth.Regions() }
