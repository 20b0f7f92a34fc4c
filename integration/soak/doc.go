// Command soak lets random clients work through the real pgkeyless while
// random faults happen, and says what came of it.
//
//	load (clients) ─► pgkeyless, built with -race ─► awsemu ◄─ faults (one at a time)
//	   │                                              │
//	   └── every answer compared                      └─► pgserver
//
// A fault is either mended, so that no client may notice, or harmful: then the
// clients that were there may get an error, from its beginning until its
// aftermath is over. Any other error, a wrong byte, a client that hangs, a
// session or a file descriptor left behind, a broken rule of the protocol and a
// data race end it with code 1, at the end. The same seed gives the same faults and the same load,
// but not the same order between them.
package main
