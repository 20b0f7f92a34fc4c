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
// Conn.Run owns every goroutine: one reader and one writer per Transport, both
// gone before the next Transport is asked for. One mutex guards all state; no
// call to a Transport is made under it. message, window, rto, pace, reorder and
// acks are pure: they take the time as an argument and start nothing.
package datachannel
