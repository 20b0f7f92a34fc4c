// Package rig is what the tests of e2e stand on.
//
//	Main ── once for a test binary ──► Shared: the binary, its keys, a database
//	Start ─────► World   an emulator and a pgkeyless that serves
//	StartCloud ► Cloud   an emulator, for commands that end: connect, exec, …
//	OpenClinic ► Clinic  the same for those that look: doctor, policy, list
//
// An Office is a network around each of them, whose only way out is an HTTP proxy
// that opens TLS: AWS has its real host names there.
//
// What a test starts ends with the test, and whatever pgkeyless printed is searched
// for secrets, data races and panics then. Beneath are the parts, which need no test
// to run in: lab puts them together.
//
//	lab        the binary, and one set of credentials for all
//	pgserver   a real PostgreSQL that verifies tokens
//	awsemu     emulated AWS: its control plane, and beneath it the message gateway
package rig
