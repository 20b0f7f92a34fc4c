// Package tunnel opens streams to a private database through AWS Systems
// Manager port-forwarding sessions that it starts, resumes and ends itself.
//
//	Dialer ── group (one per address) ── session ─┬─ mux.Mux           streams, net.Conns
//	                                              ├─ datachannel.Conn  messages, acknowledges
//	                                              └─ line              next websocket, on loss
//	StartSession ─► websocket, signed ─► open message ─► handshake ─► streams
//	                     ▲                                    │
//	                     └── token ◄── ResumeSession ◄── websocket lost
//
// # Life of a session
//
// The first dial to an address starts a session: StartSession, then the
// websocket at exactly the URL that was returned, the open message with the SSM
// token, and the agent's handshake. An agent that says nothing for 15 s gets a
// second session. All streams to the address share the session.
//
// A lost websocket (the service closes each after about an hour) is replaced
// beneath the running streams: ResumeSession, websocket, resend, for up to 15
// minutes. Only channel_closed, an empty token, an unknown session or a refusal
// that will not change end a session; no close code does. Its streams then fail
// with the reason, and the next dial starts another.
//
// Close ends a session by flag to the agent; if that is not confirmed, and
// whenever a session is given up, TerminateSession tells the service.
//
// # Who owns what
//
// The Dialer waits for every start and every session; session.run is the one
// goroutine of a session and drives datachannel.Conn.Run, which owns its reader
// and writer; a socket owns its pings. What the jump host says, and whatever else
// comes from outside, is bounded and stripped before people see it. SSM tokens
// have their own type and are never logged, nor are stream URLs.
//
// Errors are *Error, with SQLState, Detail and Hint for the database client.
//
// There is no resolver here: the jump host resolves the address once per
// session, so a session keeps dialling the addresses it found at its start.
package tunnel
