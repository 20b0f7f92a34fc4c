// Package doctor tells people and programs how a walk along the path to a
// database goes: a line for each stage, what is wrong and its fix at the first
// that is broken, and an exit code of that stage's own.
//
//	Stage ─ Walk.Begin … Walk.OK, Warn, Skip, LeaveOut or Fail ─► Printer: plain, terminal, JSON
//
// What each stage looks at is the caller's business; this package knows neither
// AWS nor PostgreSQL.
package doctor
