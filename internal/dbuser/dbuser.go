// Package dbuser knows what names users of databases have.
package dbuser

import "strings"

// UsualMaster is the name that the RDS console proposes for the master user, whom
// rds_iam would lock out.
const UsualMaster = "postgres"

// Quote writes a name as SQL takes any name.
//
// Source: PostgreSQL 18 docs, sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS.
func Quote(name string) string {
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}
