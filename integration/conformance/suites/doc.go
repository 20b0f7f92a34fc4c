// Command suites runs the own tests of PostgreSQL drivers against a database,
// once directly and once through pgkeyless, and compares test by test: what
// passes directly must pass through pgkeyless, but for a list with reasons
// (differences.txt). What fails directly is listed, too (failures.txt), and a list
// that names more than happens is an error.
//
//	suites --pgkeyless PATH [--only NAME]
//
// The drivers' modules come from the module cache, tests included, and are copied
// to a temporary directory: nothing of what their tests need is required here.
// A test that panics takes those beside and behind it with it, which are then run
// again: lib/pq's do so when an event takes 100 ms. Tests that fail without being
// listed are tried again a few times, since such times are short for a busy machine
// (lib/pq's TestListener…, TestQueryRowContext; pgx's TestConnCopyToCanceled).
//
// Both sides are the same role in the same database, a superuser since most of
// the tests want one; directly it is trusted, over loopback without TLS.
package main
