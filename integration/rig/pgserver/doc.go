// Package pgserver runs a real PostgreSQL that takes IAM tokens for passwords,
// as Amazon RDS does, for tests and the demo.
//
//	client ── TLS, certificate of Config.Host ── PostgreSQL ── pg_hba.conf
//	                                                             │
//	     local, postgres  ─ trust, in a directory of its own ────┤
//	     TLS, +rds_iam    ─ LDAP bind ─ bindServer ─ verifier ───┤
//	     TLS, other users ─ scram-sha-256 ───────────────────────┤
//	     no TLS           ─ refused ─────────────────────────────┘
//
// Start makes a cluster in a temporary directory and runs it on a free port of
// 127.0.0.1 and on a Unix socket; Close stops it and removes the directory. As
// root the server process becomes another user, since PostgreSQL refuses to be
// root.
//
// RDS checks tokens in a PAM module. Here PostgreSQL's ldap method carries user
// and password to a bind server on 127.0.0.1 in this process, and the verifier
// checks every part of the presigned request with code of its own, so that a
// mistake in the signer cannot hide. A refusal reads
// `LDAP authentication failed for user "…"` (28000) where RDS says PAM.
//
// The cluster has the database app, owned by app_user (granted rds_iam), and
// plain_user (a SCRAM password, not granted rds_iam). It is made for speed, not
// for keeping data: fsync is off.
package pgserver
