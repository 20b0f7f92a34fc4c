// Package tunnel opens streams to a private database through AWS Systems
// Manager port-forwarding sessions that it starts, resumes and ends itself.
//
//	Dialer ── group (one per address) ─┬─ session ─┬─ mux.Mux           streams, net.Conns
//	claim     policy: which, how many  ├─ session  ├─ datachannel.Conn  messages, acknowledges
//	of a dial                          └─ …        └─ line              each next websocket
//	StartSession ─► websocket, signed ─► open message ─► handshake ─► streams
//	                     ▲                                    │
//	                     └── token ◄── ResumeSession ◄── websocket lost
//
// # Life of a session
//
// The first dial to an address starts a session: StartSession, then the
// websocket at exactly the URL that was returned, the open message with the SSM
// token, and the agent's handshake. When that takes 5 s, a second session is
// started beside it and the faster one used. Once the agent has shown itself, after
// 14 s the start has failed; the process that it starts for each session may take
// long on a small host, and 50 s are waited for it. When it has not come in that
// time, later dials wait for 14 s only, until a session is ready; starts go on for as
// long as before. No more than 2 sessions start
// together while none has ever been ready, or while starts take more than 5 s, and
// the second of them is given up after 14 s (throttle.go).
//
// A lost websocket (the service closes each after about an hour) is replaced
// beneath the running streams: ResumeSession, websocket, resend, for up to 15
// minutes, in which websockets may come and break as long as none of them brings a
// word of the agent. Only channel_closed, an empty token, an unknown session, a
// refusal that will not change or an agent that is gone end a session before that;
// no close code does. Its streams then fail with the reason, and the next dial
// finds another.
//
// A websocket that does not answer a ping in time counts as lost. It is pinged
// when it has fallen silent after traffic, every 24 s without, and at once when
// the machine has slept. An agent that acknowledges nothing for 12 s on a websocket
// that works is gone, and its session with it; it gets 30 s where its silence can
// have another reason (datachannel, silence.go). While a database takes nothing of an
// upload that has its session to itself, an agent that shows its life is waited for, for
// up to 15 minutes. Where nothing is under way that it
// could acknowledge, as during a download, a NOP asks after 2 s of silence (check.go).
//
// Close ends a session by flag to the agent; if that is not confirmed, and
// whenever a session is given up, TerminateSession tells the service.
//
// # The pool
//
// The streams of a session share 0.9 MB/s down, the agent's serial dials and the
// fate of its session. So an address has up to Config.Sessions of them. A new
// stream goes to the fittest, of those to the one with least recent traffic, then
// fewest streams. What a dial does depends on how fit that one is:
//
//	quiet                    the dial takes it at once; if it has streams already, one
//	                         more session is started for those to come
//	busy: 256 KiB within     the dial waits for a start younger than 3 s, which is begun
//	2 s, or a stream for     if need be, for 1.5 s at most, and then takes the best there
//	1 s without an answer    is
//	hampered: its agent      the dial waits for a start: one of its own while there is
//	silent or out of reach   room, else that for which the fewest dials wait; once another
//	for 3 s, a stream for    session has come up, for 2 s more at most
//	3 s without an answer,
//	or 256 of them; or 30
//	messages it sent are lost
//	hampered, there is no    the dial takes it: there will be none better
//	room and no start
//	hampered, and the start  the dial takes one whose agent answers and only waits for the
//	has failed               database; without one it fails as the start did
//
// Dials that come together, to wait or while a session starts for one that has just
// come, are spread in equal parts over as many sessions as
// there may be: one that finds its part of a session taken waits for another to come
// up, for those 2 s at most. With more than 2 in a second for each session that there may
// be, they are a crowd, which takes what is up: each shares a session with many in any
// case, and a login needs little (crowd.go). Its first ones have begun no starts then: beside
// a session that is up, those wait for 20 ms, and for one who still needs them. After heavy streams, or where no session is up
// yet, a crowd is spread all the same.
//
// What a stream carries in its first second tells what is likely to come next
// (weight.go). After light ones, new streams share the session that has most of
// them, until it is busy at 896 KiB within 2 s: together they make fewer messages,
// each of which costs the jump host CPU. After heavy ones, new streams are spread as
// those are that wait together. As long as nothing is known, the table holds.
//
// A start that fails because its agent is silent fails a dial only when no other is
// under way. After a start that failed none is tried for 1 min that no dial waits for. A dial
// gives up when its session has ended three times before it got a stream.
//
// Beside used sessions a spare one is kept; a session without streams ends
// after 5 minutes. What a NOP can do against the account's idle timeout is done
// while a stream is open. All decisions are policy's, pure functions in pool.go.
//
// The jump host resolves an address once per session, at its start. When a dial
// was refused or got no answer, or the proxy says by Retire that the database is
// not the right one any more (after a failover), all sessions of the address
// retire: they carry their streams on, take no new ones, and end when empty. When
// that happens time and again it is done ever more seldom, and not at all while
// too many are held that way.
//
// # Who owns what
//
// The Dialer waits for every start and every session, and for tend, which looks after
// them every second as long as there are any; session.run is the one goroutine of a
// session and drives datachannel.Conn.Run, which owns its reader and writer; a socket
// owns its pings. Lines of the log are written by a goroutine of their own (log.go):
// a log that blocks delays no dial and no resume. What the jump host says, and
// whatever else comes from outside, is escaped and bounded before people see it. SSM
// tokens have their own type and are never logged, nor are stream URLs.
//
// Errors have texts for the database's client, from a row of internal/causes: methods
// SQLState, Detail, Hint and Cause.
package tunnel
