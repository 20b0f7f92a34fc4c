// Package credentials gets AWS credentials the way the AWS CLI does, asks people
// for what no file can give (an MFA code, an SSO login), and says in words what is
// wrong when there are none.
//
//	Profiles.Config ─ one cache per profile ─ provider ─ settings, chain: from the start each time
//	                                             │          └ the SDK's STS, container and instance providers;
//	                                             │            ssoProvider, loginProvider, process
//	                                             └ People: MFA code, SSO page
//	error ── Explain ──► causes.Error (a row of causes.Credentials)
//
// The chain is our own, and the SDK's config.LoadDefaultConfig is not used: it
// refuses files that the AWS CLI reads and does not say where a mistake is, throws
// a refreshed SSO token away that cannot be written, runs a credential_process
// without our log and limits, and asks for a container's credentials through HTTP
// proxies.
//
// Nothing runs in the background: credentials are refreshed when they are asked
// for, and a failure is not remembered. Keys never reach an error or a log. All
// types are safe for concurrent use.
package credentials
