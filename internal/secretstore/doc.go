// Package secretstore has the login that a secret in AWS Secrets Manager holds: user and
// password. It reads a secret when a login needs it, once for all that wait, and keeps it
// in memory only.
//
//	proxy ─► Secret ─┬─ Login: from memory, and read anew meanwhile once that is not fresh
//	                 └─ Renew: after a refusal, for a rotation may be under way
//	                         └─► one reading: GetSecretValue ─► parse
//
// A reading is a goroutine that all share who came before it ended. It ends when the last
// of them leaves. The Secret is one of them while it reads for no client; Close has it leave.
//
// A password that was rotated away fails the next login at the database, and Renew reads
// the secret anew: the age up to which Login takes what is in memory only saves that.
// During a rotation, what AWS calls the current version may be behind the database for
// about a minute.
package secretstore
