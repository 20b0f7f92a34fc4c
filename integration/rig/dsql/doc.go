// Package dsql stands in for Aurora DSQL in front of a real PostgreSQL, for tests and the
// demo.
//
//	client ── TLS, at once or behind an SSLRequest ── Server ── Unix socket ── PostgreSQL
//	                                                    │
//	          limits ─ token ─ AWS IAM GRANT ───────────┤ login
//	          the end of a session's life ──────────────┘
//
// It refuses what DSQL refuses, in DSQL's words where they are known: connections that are
// too many or come too fast, tokens, databases other than postgres, and connections without
// SNI. What is not known of DSQL can be set: how TLS may begin, whether start-up parameters
// are accepted, refused or ignored, and how a session ends whose time is over.
//
// It shares no code with what it tests, so that a shared mistake cannot hide.
//
// Sources: Aurora DSQL user guide, "Authentication and authorization", "Cluster quotas and
// database limits" and "Troubleshooting".
package dsql
