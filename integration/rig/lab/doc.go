// Package lab runs the built pgkeyless against emulated AWS and a real
// PostgreSQL: what the demo shows and the integration tests use.
//
//	client ─► Proxy (the binary) ─► awsemu.Emulator ─► pgserver.Server
//	               │                                        │
//	               └──────────── Credentials ───────────────┘
//
// One set of Credentials is what pgkeyless is given, what the emulator checks
// SigV4 signatures by, and what the database verifies IAM tokens by. Whoever
// starts a part owns it and must Close it.
package lab
