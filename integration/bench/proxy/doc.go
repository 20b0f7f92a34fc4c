// Command proxybench measures pgkeyless without a tunnel beside what else people
// put, or do not put, between a client and a database in reach. One PostgreSQL,
// libpq's own programs as clients, one run. scripts/bench-proxy builds and
// installs what it needs.
//
//	libpq, verify-full and a token ──────────────────────────┐
//	libpq, plain, TCP or a Unix socket ──► pgkeyless ── TLS ─┤
//	libpq, plain ─────────────────► PgBouncer, session ─ TLS ┼─► pgserver
//	libpq, verify-full and a token ──► HAProxy, mode tcp ────┘
//
// A cell is one measurement. Each round takes every cell once with each side, in
// turn and in changing order, so that none has the quieter machine. The proxies
// run from the first cell to the last; memory is read from fresh ones, which
// hold connections to a database of a few lines (fake.go): ten thousand real
// backends would take all the memory there is. One cell holds them through the
// emulated AWS, where they cost pgkeyless one file each in place of two.
//
// What a cell finds goes into samples; condense makes flat keys of them, which
// --json writes, and table shows those with the targets.
package main
