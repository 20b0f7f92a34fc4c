// Package secretstore has the login that a secret in AWS Secrets Manager holds: user and
// password. It reads a secret when a login needs it, once for all that wait, and keeps it
// in memory only.
//
//	proxy ─► Secret ─┬─ Login: from memory, for a while
//	                 └─ Renew: after a refusal, for a rotation may be under way
//	                         └─► GetSecretValue ─► parse
//
// A password that was rotated away fails the next login at the database, and Renew reads
// the secret anew: the age up to which Login takes what is in memory only saves that.
// During a rotation, what AWS calls the current version may be behind the database for
// about a minute.
package secretstore
