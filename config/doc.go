// Package config turns what the user typed — targets, flags, environment
// variables — into checked settings. It calls no service and opens no file.
//
//	query string of the target  ─┐ most particular
//	flags                       ─┤
//	PGKEYLESS_… variables       ─┼─ Load ─→ Config{Targets, Run}
//	defaults                    ─┘ least particular
//
// All three sources share one table of options (All) and one parser each, so a
// name means the same wherever it stands. For one setting the most particular
// source wins; a value that is wrong is an error even where it would lose.
// PG… variables belong to the client and are never read: PGHOST=localhost would
// make the proxy its own database.
//
// Errors are *Error values; Hint says what to type instead.
package config
