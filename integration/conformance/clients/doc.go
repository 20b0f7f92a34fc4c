// Command clients runs real PostgreSQL clients through pgkeyless to a real
// PostgreSQL, directly, through emulated Session Manager and through a stand-in for RDS
// Proxy, and prints which checks each has passed. scripts/test-clients builds and calls it.
//
//	table ─► build (compile, npm ci) ─► run ─► report ─► a table, docs/clients.md
//	                                     │
//	    client's program ─► pgkeyless ─► pgserver, or ─► awsemu ─► pgserver, or ─► rdsproxy ─► pgserver
//
// A client is a directory here, NAME/, and a row of the table. The directory
// holds the program, client.EXT (main.go for Go), and the Debian packages it needs, a line each, in
// the file packages, which scripts/install-deps reads; harness/ is what programs
// of one language share. The program finds the database in PGHOST, PGPORT, PGUSER
// and PGDATABASE, or as a whole in DATABASE_URL; the database is empty and its
// own. There is no password. It prints a line for each thing it has to say:
//
//	version 2.9.5               of the client
//	ok CHECK                    the check held
//	fail CHECK: why
//	n/a CHECK: why              the client's API cannot do it
//
// Where CHECKS is set, it has the names of the only checks to be run, with spaces between.
//
// A check without a line is a failure, and so is a program that exits with
// another code than 0.
//
// npm packages and what compilers make go to the user's cache directory, never
// into the tree.
package main
