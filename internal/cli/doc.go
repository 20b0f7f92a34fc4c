// Package cli is the command line of pgkeyless: one command per file, each no more
// than its flags, its help and the call that does the work.
//
//	args, environment ─ config.Load ─→ Config ─┬─ serve ─────────→ serving
//	                                           ├─ connect, exec ─→ running, or serving.Private
//	                                           ├─ doctor, policy → checkup
//	                                           └─ env, list, token, …
//
// An app is one run of the program but for its process: it returns the exit code.
// Output for machines goes to stdout; all else, the ready lines among it, to
// stderr. An error is printed once, in explain.go: what happened, then a hint.
package cli
