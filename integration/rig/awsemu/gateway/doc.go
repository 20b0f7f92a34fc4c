// Package gateway emulates Session Manager's message gateway: the websocket of the
// data channel, behind it the service's relay, and an agent with real multiplexing
// and real dialling. It is written from the protocol notes and a recording of the
// genuine peers, and shares no code with the tunnel it tests, so that a shared
// mistake cannot hide.
//
//	control plane ── Open, Resume, Terminate ──► session
//	                                              │ owns
//	HTTP ─ ServeChannel ─ front (one websocket) ─┬─ toAgent  lane ─► agent ─► port plugin ─► smux ─► dial
//	                        │                    └─ toClient lane ◄──┘   outgoing, incoming
//	                        └ watch: every message in, every message out
//
// It knows no API, no caller and no key. Whoever serves it, package awsemu, opens
// sessions here once it has found a StartSession good, and is asked one thing: whether
// a websocket's upgrade is signed as it has to be (Verifier).
//
// A session lives from StartSession to end; its client may come and go. The
// front puts what the client sends into one lane, and takes what the client is
// sent from the other: lanes are where messages are lost, doubled or delayed
// (SetIntercept), and where they wait while the client is absent. The agent is
// the genuine one's order of things: it handles a message before it acknowledges
// it, resends only its oldest one, accepts and dials in one serial loop, sends
// at most 1 KiB each millisecond.
//
// # Faults
//
// Each can be set while sessions run:
//
//	connect  RefuseUpgrades, FailConnect; Config.StartDelay and the handshake's
//	socket   CutWebsockets, CloseWebsockets, CutMidMessage, BlackHole; SetNetwork (round trip, jitter, rate, outage)
//	message  SetIntercept with Lose, Duplicate, Reorder, Delay, Corrupt, …, and for the handshake
//	         NoHandshake, TwoHandshakes, UnknownAction, KMSEncryption, OtherSession, NoProperties
//	agent    FreezeAgents, FailAgents, CutAgents, KillAgents, RestartAgents, SendPayload; Config.PluginDelay,
//	         WorkerStart, MessageCost
//	target   SetHost, FailLookups; SetDial with RefuseDials, HangDials, Targets
//	pause    Publish
//	end      TerminateSession, CloseChannel, ExpireSessions; Config.IdleTimeout and MaxDuration
//
// Below HTTP every connection is a wire: two flows of bytes that the Network
// delays, slows down, holds up or swallows. While it does nothing, nor ever did,
// calls pass straight on to the socket.
//
// Gateway.Close ends all sessions and waits for every goroutine but those of
// the smux library, which end by themselves.
//
// # Violations
//
// The watch holds clients to the protocol at all times: open message and token;
// form, date, id and digest of every message; contiguous numbers and
// byte-identical resends; nothing before HandshakeComplete; one acknowledgement
// for every delivery, in time, and for nothing else (after a resume or a message
// sent again, what was delivered before may be acknowledged once more; in an upload that of
// the newest may wait, watch.answered); payload size and well-formed mux frames; window and pause; no session left behind. What it finds is in
// Violations. Not held there: that a lone 0x0A survives, which only a comparison
// of the transferred bytes can show, and the client's log output.
//
// Config.OfficialClient tolerates what AWS's session-manager-plugin does: no
// second acknowledgement of a message, no window and no heed of a pause, a
// resend of what has been acknowledged (it stores a message after sending it,
// so that a fast acknowledgement finds nothing to remove), and a session left
// behind on SIGTERM.
//
// # Not as the original
//
// The smux library in use takes turns between streams, where the agent's older
// version lets the stream go first that has sent fewest frames. The addresses
// of the jump host's own VPC are not on the deny list. There are no hourly
// closes but those that a test asks for.
package gateway
