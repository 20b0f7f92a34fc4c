// Package config turns what the user typed — targets, flags, environment
// variables, a config file — into checked settings. It calls no service, and
// opens no file but that one.
//
//	query string of the target  ─┐ most particular
//	flags                       ─┤
//	PGKEYLESS_… variables       ─┤
//	the file: the target's keys ─┼─ Load ─→ Config{Targets, Run}
//	the file: defaults          ─┤
//	built-in defaults           ─┘ least particular
//
// All sources share one table of options (All) and one parser each, so a name
// means the same wherever it stands. For one setting the most particular source
// wins, and Settings tells which; a value that is wrong is an error even where
// it would lose. PG… variables belong to the client and are never read:
// PGHOST=localhost would make the proxy its own database.
//
// A config file that was found in a project directory, and not named, is the
// word of somebody else perhaps: mayBeFound says what it may set.
//
// Errors are *Error values, or Errors; Hint says what to type instead.
package config
