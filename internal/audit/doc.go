// Package audit writes who came, as whom, and what became of it: one line of JSON for
// each login, refusal, cancel request and end. docs/audit.md describes the members.
//
// A login that cannot be written down does not happen. No line holds SQL, a secret, or
// a start-up parameter other than user, database and application_name.
package audit
