// Command suites runs the own tests of PostgreSQL drivers against a database,
// once directly and once through pgkeyless, and compares test by test: what
// passes directly must pass through pgkeyless, but for a list with reasons.
//
//	suites --pgkeyless PATH [--only NAME]
//
// The drivers' modules come from the module cache, tests included, and are copied
// to a temporary directory: nothing of what their tests need is required here.
// Both sides are the same role in the same database, a superuser since most of
// the tests want one; directly it is trusted, over loopback without TLS.
package main
