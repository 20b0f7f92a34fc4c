// Package mux is the client side of smux version 1: many streams, each a
// net.Conn, over the one byte stream that an SSM session carries.
//
//	Stream.Write → send buffer ─┬→ Fill ──→ carrier ──→ agent (smux server) ─ TCP
//	Stream.Write → send buffer ─┘
//	Stream.Read ← receive buffer ←┬─ Deliver ←─ carrier ←── agent
//	Stream.Read ← receive buffer ←┘
//
// The package owns no goroutine and no connection. A carrier (the data channel)
// pulls bytes with Fill when Ready says so, and hands arriving bytes to Deliver.
// What Fill has returned is the carrier's to deliver, in order and without loss;
// message boundaries mean nothing to smux, so frames of several streams share one
// Fill, a frame is cut to fit, and a frame may span calls of Deliver. FillAt says
// when waiting a little would have more streams share a message (crowd.go).
//
// # Life of a stream
//
// OpenStream queues a SYN, which travels with the stream's first data. There is
// no answer to a SYN: the agent dials, and the first byte or a FIN is the first
// sign of life. Until then the stream counts as waiting, and the number of
// waiting streams is bounded, since an agent with a full accept queue (1024)
// can lock up.
//
// A FIN ends both directions: its sender neither sends nor reads any more. After
// the agent's FIN, Read drains what has arrived and then gives io.EOF, and Write
// fails with ErrPeerClosed. Close sends what was written before it, then a FIN;
// the id stays known until the agent's own FIN has come, and data arriving for it
// is thrown away. There is no half-close.
//
// # Buffers
//
// smux version 1 has no flow control between the ends. Deliver never blocks, so
// that one slow reader cannot stall the others: a stream whose reader falls more
// than Config.MaxStreamBuffer behind fails alone. Write blocks once
// Config.MaxSendBuffer bytes wait to be sent. Streams take turns of one Fill each.
// Buffers grow as bytes arrive and are given back as they drain; an idle stream
// holds none.
//
// One mutex guards a Mux and all its streams; it is held for copying, never while
// waiting. Blocked calls wait on their stream's conditions, which Close, deadlines
// and Fail all signal.
package mux
