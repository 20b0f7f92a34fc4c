// Package integration holds the tests that run the built pgkeyless against
// emulated AWS and a real PostgreSQL, with real clients: psql, pgx and AWS's own
// session-manager-plugin. It has no other code.
//
//	psql, pgx ─► pgkeyless (binary, with the race detector when the tests have it)
//	                 ─► awsemu ─► pgserver (verifies TLS, tokens)
//
// scripts/install-deps installs what they need. Every test ends its pgkeyless
// with SIGTERM and then finds no SSM session open, no rule of the tunnel's
// protocol broken, no data race reported and no secret printed.
package integration
