// Package datachannel carries a byte stream over SSM agent messages: numbered,
// acknowledged, sent again when silence lasts, put in order on arrival.
//
//	Stream ── Fill ────► window   sent, not yet acknowledged ─┐
//	(smux)              acks      owed to the agent ──────────┤ writer ─► Transport
//	       ◄─ Deliver ── reorder  arrived early ◄─────────────┘ reader ◄─ (one websocket,
//	                                                            replaced on resume)
//
// A Conn lives as long as its SSM session: counters, window and reorder buffer
// survive the websocket, which the service closes about every hour. Run goes
// through these states, the middle ones once per session:
//
//	connecting → handshake → probing → carrying ⇄ resuming → ended
//
// The agent speaks first (HandshakeRequest); the response is input message 0;
// after HandshakeComplete one smux NOP goes out and its acknowledge is awaited,
// because the agent may acknowledge and yet discard what reaches it a moment
// too early. Only then is the Stream asked for bytes, and Ready closes.
//
// Where several streams have little to say, a message that is not full may wait up to
// 2 ms for more of them (mux, crowd.go). One stream alone waits for nothing. What is
// to be written at one time goes out in one write, acknowledges with data: each is a
// message of its own, and may wait 4 ms for company (ackDelay), and longer where an
// upload may begin in reply (beat.go).
//
// # Silence
//
// What happens when the other side says nothing. Where nothing else is said, times
// count from when the oldest message without acknowledge was first sent on the
// present transport.
//
//	4 ms    ackDelay          an acknowledge has waited for company in vain
//	200 ms  minRTO            the message goes out again, then with growing pauses
//	500 ms  beatHope          no upload has begun in reply to the agent's newest message: its
//	                          acknowledge goes
//	1 s     lateAfter         a message was under way for so much longer than the quickest: the
//	                          agent has sent it again, and its acknowledge goes
//	1 s     pauseProbe        the service said pause: one message goes out all the same
//	2 s     maxRTO            the longest of those pauses
//	2 s     checkAfter        nothing is under way, the agent fell silent in the middle of
//	                          something: a NOP asks for an acknowledge
//	4 s     speaksWithin      an agent that spoke so lately goes on speaking
//	6 s     answersWithin     a transport that had seemed dead works again, and since less
//	                          than this: StallTimeout counts still
//	8 s     deafAfter         the agent speaks and acknowledges nothing: the transport is
//	                          replaced, once for a message; after StallTimeout where a
//	                          target has stalled the agent
//	9 s     aliveWithin       a transport without a sign of life for so long may be dead
//	                          itself: StallTimeout counts
//	10 s    beatRest          an upload rests: the acknowledge that was kept back goes
//	10 s    GapTimeout        messages of the agent came, those before them did not, and for
//	                          so long it has sent none of them again, on a transport that
//	                          works: ErrGap
//	12 s    PeerTimeout       the agent is gone: ErrPeerSilent; 14 s in a download, with
//	                          checkAfter
//	14.5 s  PauseTimeout      the service said pause, and nothing has lifted that: ErrPeerSilent
//	24 s    longestCheck      between two checks while a target owes an answer
//	30 s    StallTimeout      the agent is gone although its silence may have had a reason:
//	                          it was just starting, it spoke, a target took nothing, or the
//	                          transport was not known to work
//	60 s    GapPatience       sending again what is missing has taken so long, or will, at
//	                          100 ms a message: ErrGap
//	15 min  OutageTimeout     the agent is gone: transport after transport broke before it
//	                          had said a word; or the target of the only stream has taken
//	                          nothing for so long, while the agent showed that it lives
//	                          (beat.go)
//
// The beginning has a limit of its own, HandshakeTimeout (30 s), from the first
// transport to HandshakeComplete, and ArrivalTimeout for an agent that has given no
// sign of life: neither a message nor start_publication. How long Connect takes is
// its own affair, then and later.
//
// # Who owns what
//
// Conn.Run owns every goroutine: one reader and one writer per Transport, both
// gone before the next Transport is asked for. One mutex guards all state; no
// call to a Transport is made under it. message, window, rto, pace, reorder and
// acks are pure: they take the time as an argument and start nothing.
package datachannel
