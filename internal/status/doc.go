// Package status is the document that says what a running proxy does: one value,
// written as JSON, from which `pgkeyless status`, the status page and scripts read
// the same.
//
//	proxy ─ tunnel ─ credentials ─ registry ─ reload
//	                   └── internal/admin collects ──► Document ──► JSON ─┬─ /status.json
//	                                                                      ├─ the page
//	                                                                      └─ pgkeyless status
//
// The document holds no secret: no token, key, SQL or start-up parameter but user,
// database and application_name. docs/status.md describes each member. Members are
// added without a new Version; one that changes its meaning or goes raises it.
package status
