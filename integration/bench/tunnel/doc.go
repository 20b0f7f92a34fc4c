// Command tunnelbench measures pgkeyless beside AWS's genuine
// session-manager-plugin: both against one emulated AWS whose agent keeps the
// real one's pace, and one PostgreSQL behind it, in one run. scripts/bench-tunnel
// builds what it needs.
//
//	pgx, plain ────────────────────► pgkeyless ─┐
//	                                            ├─► awsemu, with its network ─► pgserver
//	pgx, verify-full and a token ──► plugin ────┘
//
// A cell is one measurement. Each round takes every cell once with either side,
// in turn and in changing order, each time with a fresh process and a fresh SSM
// session, so that neither has the quieter machine or the other's leftovers.
// Numbers are medians over the rounds.
//
// What a cell finds goes into samples; numbers condenses them into flat keys,
// which --json writes, and table shows those with the targets.
//
// CPU time and memory come from /proc and are left out on other systems.
package main
