// Package proxy is the PostgreSQL front door: it accepts a client without a password,
// logs it in to its database with a password made for that login, and relays.
//
// One session, accept to close:
//
//	client               proxy                                database
//	  │ SSLRequest, TLS,   │                                      │
//	  │ GSSENCRequest      │                                      │
//	  ├───────────────────▶│ startup.go                           │
//	  │ StartupMessage     │                                      │
//	  ├───────────────────▶│ route.go    which database, as whom  │
//	  │                    ├─ upstream.go  dial, SSLRequest, TLS ▶│
//	  │                    ├─ login.go  StartupMessage ──────────▶│
//	  │  NegotiateProtocolVersion ◀───────────────────────────────┤
//	  │                    │◀── AuthenticationCleartextPassword ──┤
//	  │                    ├── PasswordMessage (or early) ───────▶│
//	  │◀───────── AuthenticationOk … ReadyForQuery, unchanged ────┤
//	  │◀──────────────────▶│ relay.go    bytes, unread   ◀───────▶│
//
// Everything up to ReadyForQuery happens under the login deadline, and failures reach
// the client as an ErrorResponse with SQLSTATE, DETAIL and HINT. The relay has no
// deadline, because an idle client is normal. Between sockets it runs on the few
// goroutines of package eventloop. If one side is not a socket, such as a tunnel's
// stream, it has two goroutines of its own.
//
// A login has its own goroutine, so that a session at rest has small stacks, and no
// buffer except the one of TLS. lull.go notices when many logins are over, so that
// their memory can be returned.
//
// Beside the steps: served.go keeps what logins show of a Route, watch.go learns
// that a client left while its login goes on, message.go reads the database's
// messages without decoding them, and certificate.go makes what clients are shown.
//
// # Round trips
//
// A login waits for the database four times: for the answer to SSLRequest, for
// its half of the handshake, for its request for a password, and for
// AuthenticationOk. Two of them can be saved.
//
// Once a user was asked for a clear-text password and let in (guess.go), the user's
// next login sends StartupMessage and PasswordMessage together, right behind the TLS
// Finished: the certificate has been verified by then. PostgreSQL reads the password
// when it comes to ask for it. Until it has asked, the proxy sends nothing to the
// client. If the database wants something else, or objects, the proxy dials again,
// logs in without the guess, and forgets the user. Route.AskFirst rules the guess out.
//
// With Route.DirectTLS the connection begins with the handshake. Without it the
// client hello has to wait for the answer to SSLRequest: PostgreSQL refuses
// bytes that come ahead of that. A Route.Negotiation begins with the one that
// worked last, and falls back to the other (negotiation.go).
//
// # Ready logins
//
// After a client has logged in, as many further logins are made with the same
// StartupMessage as clients came together lately, Route.ReadyLogins at most. They wait in
// a readyPool, which owns their goroutines: one for each reads what the database says
// while nobody asks it. The next client with that message, and that identity, is sent what
// the database said up to ReadyForQuery, then what it has said since (ready.go).
//
//	login ── client ── getReady ─► makeReady ─► readyPool ── takeReady ─► handOut ─► settle ─► relay
//	                                              │ a minute, reload, failover, no room,
//	                                              ▼ another identity, the database's word
//	                                            Terminate
//
// One that has ended is never handed out, and one that ends before its client has asked
// something is replaced by a login that the client does not notice (settle.go): settings
// that differ are reported to it, and its cancel key leads to the new session.
//
// # Poolers
//
// Some servers in front of a database, such as RDS Proxy, take less at a login than PostgreSQL
// does. Route.Pooler says so (pooler.go). The server then gets a StartupMessage of version 3.0
// with the parameters that it takes. The client's other run-time parameters, those in options
// among them (options.go), are set by a statement once the server is ready, and before the
// client gets ReadyForQuery: it gets the ParameterStatus messages of that, and an error as the
// end of its login. The proxy answers what there is to negotiate, and sends no token unasked.
// Where the server gives no BackendKeyData, the client gets none: the log says once that cancel
// requests cannot work, and again when one comes. Of many from one address, log and audit get
// some only (cancelrequest.go).
//
// # Turns
//
// Of the logins at one Route, loginsAtOnce are under way together, and the others wait
// their turn in the order in which they came (turns.go). Ready logins are made when no
// client waits, and those that were under way are done.
//
// # Other ways to the database
//
// A Dialer may have several ways to one address, such as the sessions of a
// tunnel, of which one may lead to where the database was before a failover. It
// then returns conns that can be retired (see Dialer). The proxy retires a conn
// whose dial was refused or gave no first byte in time (firstbyte.go), and dials
// once more; and one over which the database says, at login or in the relay,
// that it ends or has become a reader (failover.go). The session on it goes on.
//
// While such a conn takes nothing, nobody reads from the client. Its socket is
// then asked every two seconds whether it is still there (stall.go).
//
// # A session that ends unexpectedly
//
// When the conn to the database fails during a session, or ends without the
// close_notify that PostgreSQL sends whenever it ends a session itself, the client
// gets a FATAL ErrorResponse of the proxy's own that says so, as PostgreSQL would
// (lastwords.go); but only if what it got so far ends where a message ends
// (boundary.go), because in the middle of one the client would take it for data. Over
// a tunnel, which brings messages in pieces and may end at any time, the proxy holds
// back the beginning of an incomplete message, so that it can tell nearly every
// client (holdback.go). A reset is passed on as the end of the stream in any case: on
// some systems a reset takes back what the client has not read yet.
//
// A Route may know after what time the database ends every session. Its words then go to
// the client and to the log, however the session has ended (lifetime.go).
//
// # Cancel
//
// The BackendKeyData that a database sends is noted while it passes. A
// CancelRequest comes on a connection of its own, plain or inside TLS; its key
// is looked up and the request travels to that database on an upstream
// connection of its own, over verified TLS. The client's connection is closed
// once the database has closed this one, which is what libpq waits for.
//
// # Shutdown
//
// Serve owns every goroutine and returns after the last of them. Shutdown closes the
// listeners, gives up the ready logins, refuses sessions that are not logged in yet (57P01), and lets the others
// go on until they end or its context does. Cancelling the context of Serve ends
// everything at once. Clients whose session ends this way get an error (57P01), on
// the same condition as above.
//
// # Other routes while serving
//
// Replace exchanges the Routes at once for the clients that come (replace.go).
// A session keeps the Route with which it was accepted, so nothing that goes on
// is touched; a listener that is in both stays open, with its backlog.
//
// # Odd and hostile clients
//
// A connection costs a bounded amount before its login begins. A packet has at most
// 10,000 bytes, and the login deadline bounds the wait. If there are too many
// connections without a StartupMessage, the oldest is closed once it has been silent for
// a second (lobby.go). A cancel
// request with a key that no client was told makes no connection. Browsers get a page
// that says what the port speaks (http.go). Snapshot counts how connections ended.
//
// # What is trusted
//
// The proxy trusts that whoever can connect to the listener may do so. What the
// client sends is bounded and checked. The database is trusted once its certificate
// is verified, for the name in Route.TLS and never for the address dialled: only then
// does it get a StartupMessage, and only a request for a clear-text password is
// answered with the token, or expected after the user's last login had one. A user whom
// Route.Passwords has is the exception (password.go): the database chooses how to ask,
// and with SCRAM it must prove that it knows the password. What comes before TLS, on either side, is read byte by byte, so nothing sent in clear
// text is ever taken for something sent inside TLS.
//
// The certificate shown to clients is Config.Certificate's choice. The one that is
// made in memory without it proves nothing: it lets clients that insist on TLS
// connect without settings. That a client refused it is a guess from how it left
// (startup.go), which the log gets at info.
package proxy
