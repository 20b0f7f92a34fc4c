// Package targets makes a proxy.Route of a configured target. It is the only
// place where the AWS packages meet: endpoint and token (auth), look-ups
// (discover), SSM sessions (tunnel), credentials.
//
//	config.Target ── Wiring.Route ── NewLogin ──► Login ──► proxy.Route
//	                     └ late: looked up when a login needs it
//
// A Wiring owns what the Routes of a process share: one cache of credentials for
// each profile, one pool of SSM sessions for each jump host. It is safe for
// concurrent use, and ended with End.
package targets
