// Package fidelity holds the test that what arrives through pgkeyless is what
// arrives without it, byte by byte. It has no other code.
//
//	exchange ─┬─ direct: TLS and token by the test itself ──────────────► pgserver
//	          ├─ plain, TLS, Unix socket ─► pgkeyless (event loop) ─────► pgserver
//	          └─ plain ─► pgkeyless (goroutines) ─► awsemu ─────────────► pgserver
//
// An exchange (corpus_*_test.go) is a list of steps: bytes to send, messages to
// wait for, ends of connections, and questions to the database about what became
// of it. Every message and every end is recorded, by a frame reader of the
// test's own. The record of each way must be that of the direct one, but for
// what masks_test.go lists with a reason. For the deaths of a database
// (deaths_test.go) a wire stands before it, which can be cut.
package fidelity
