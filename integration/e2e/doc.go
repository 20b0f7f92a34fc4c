// Package e2e holds, in its directories, the tests that run the built pgkeyless
// against emulated AWS and a real PostgreSQL, with real clients: psql, pgx and pgjdbc.
// It has no other code.
//
//	psql, pgx ─► pgkeyless (binary, with the race detector when the tests have it)
//	                 ─► awsemu ─► pgserver (verifies TLS, tokens)
//
// A directory is what a user sees of it:
//
//	causes    every row of the table of errors, as a client is told of it
//	commands  what runs and ends: token, connect, exec, env, service-file, version
//	discover  databases and jump hosts by name, tag and alias; list
//	doctor    doctor and policy
//	faults    transfers while something breaks
//	fresh     the package for Debian, in a Debian that has nothing else
//	hostile   clients that mean harm, or know little of the protocol
//	login     logins, their guards and their cancelling
//	metrics   what a real Prometheus sees of a load; the dashboard and the alert rules
//	page      the status page, in a browser
//	people    codes of MFA, logins by SSO
//	ready     logins made before their clients come, and many that come at once
//	secrets   users whose password is in Secrets Manager, by every method of the database
//	service   several replicas behind HAProxy, in network namespaces
//	serving   serve from its config file to its last session; one port for many targets
//	trust     certificates that clients verify, and the CA behind them
//
// Each is a test binary with a database of its own, which rig.Main starts.
// scripts/install-deps installs what they need. Every test ends its pgkeyless
// with SIGTERM and then finds no SSM session open, no rule of the tunnel's
// protocol broken, no data race reported and no secret printed.
package e2e
