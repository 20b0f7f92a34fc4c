// Package credentials gets AWS credentials the way the SDK does, asks people for
// what no file can give (an MFA code, an SSO login), and says in words what is
// wrong when there are none.
//
//	Profiles.Config ─ one cache per profile ─ provider ─ the SDK's chain, from the start each time
//	                                             └ People: MFA code, SSO page
//	error of the SDK ── Explain ──► causes.Error (a row of causes.Credentials)
//
// Nothing runs in the background: credentials are refreshed when they are asked
// for, and a failure is not remembered. Keys never reach an error or a log. All
// types are safe for concurrent use.
package credentials
