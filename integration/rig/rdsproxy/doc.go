// Package rdsproxy stands in for Amazon RDS Proxy in front of a pgserver, for tests and
// the demo. It takes and refuses what RDS Proxy does, in its words.
//
//	client ── TLS, certificate of Config.Host ── Server ── TLS ── PostgreSQL
//	            by an authority of its own         │
//	            a token for Config.Host            │ the user's secret, or a token of its
//	                                               │ own role for the database's endpoint
//
// What it does otherwise than PostgreSQL:
//
//   - A client without TLS, and one that asks for another version than 3.0 of the
//     protocol, is refused.
//   - A StartupMessage may have user, database and the five parameters of accepted.
//   - The password must be an IAM token for the proxy, and must not be there before it
//     is asked for. RDS Proxy's answer to an early one is not known; this is the worse
//     of the two that are likely.
//   - There is no BackendKeyData, and a CancelRequest ends with nothing done.
//   - A session that sets a parameter is pinned, of which Stats keeps count. One database
//     connection serves one client here in any case.
//
// Its codec is its own, so that a mistake in the product's cannot hide.
//
// Sources: Amazon RDS user guide, rds-proxy-connecting.html, rds-proxy-pinning.html and
// rds-proxy.troubleshooting.html; psycopg2#1577, pgdog#918, teleport#68711 and
// rds_iamauth_proxy#3, which have its words as clients get them.
package rdsproxy
