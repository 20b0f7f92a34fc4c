// Package proxy is the PostgreSQL front door: it takes a client in without a
// password, logs it in to its database with one made for that login, and relays.
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
// Everything up to ReadyForQuery happens under the login deadline, and what
// fails there reaches the client as an ErrorResponse with SQLSTATE, DETAIL and
// HINT. The relay has no deadline: an idle client is normal. Between sockets it
// runs on the few goroutines of package eventloop, and on two of its own where
// one side is no socket, such as a tunnel's stream.
//
// A login has a goroutine of its own, so that a session rests on stacks that it has
// not made grow, and with no buffer but the one that TLS keeps. lull.go notices when
// many logins are over, for whoever wants to give back what they took.
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
// Once a user was asked for a clear-text password and let in (guess.go), the
// user's next login sends StartupMessage and PasswordMessage together, right
// behind the TLS Finished: the certificate has been verified by then. PostgreSQL
// reads the password when it comes to ask for it. Until it has asked, the client
// is sent nothing, so a database that wants something else, or objects, is
// dialled again and logged in to without the guess, and the user is forgotten.
//
// With Route.DirectTLS the connection begins with the handshake. Without it the
// client hello has to wait for the answer to SSLRequest: PostgreSQL refuses
// bytes that come ahead of that.
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
// # A session that ends in bad order
//
// When the conn to the database fails in mid-session, or ends without the
// close_notify that PostgreSQL sends whenever it ends a session itself, the client
// gets a FATAL ErrorResponse of the proxy's own that says so, as PostgreSQL would
// (lastwords.go); but only if what it got so far ends where a message ends
// (boundary.go), for in the middle of one it would take it for data. Over a tunnel,
// which brings messages in pieces and may end at any time, the beginning of one that
// is not whole is held back, so that nearly every client can be told
// (holdback.go). A reset is
// passed on as the end of the stream in any case: on some systems a reset takes
// back what the client has not read yet.
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
// Serve owns every goroutine and returns after the last of them. Shutdown
// closes the listeners, refuses sessions that are not logged in yet (57P01),
// and lets the others go on until they end or its context does. Cancelling the
// context of Serve ends everything at once. Clients whose session that ends are
// told so (57P01), on the same condition as above.
//
// # Other routes while serving
//
// Replace exchanges the Routes at once for the clients that come (replace.go).
// A session keeps the Route with which it was accepted, so nothing that goes on
// is touched; a listener that is in both stays open, with its backlog.
//
// # Odd and hostile clients
//
// Whoever connects costs a bounded amount before a login begins: a packet has at
// most 10,000 bytes, the wait is bounded by the login deadline, and of the
// connections that have not said what they want the oldest is closed when there
// are too many (lobby.go). A cancel request with a key that no client was told
// makes no connection. Browsers get a page that says what the port speaks (http.go).
// Snapshot counts how connections ended.
//
// # What is trusted
//
// The client is trusted to be who may connect to the listener; what it sends is
// bounded and checked. The database is trusted once its certificate is
// verified, for the name in Route.TLS and never for the address dialled: only
// then does it get a StartupMessage, and only a request for a clear-text
// password is answered with the token, or expected after the user's last login
// had one. What comes before TLS, on either side,
// is read byte-exactly, so nothing that was sent in clear is ever taken for
// something sent inside TLS.
//
// The certificate shown to clients is Config.Certificate's choice. The one that is
// made in memory without it proves nothing: it lets clients that insist on TLS
// connect without settings. That a client refused it is a guess from how it left
// (startup.go), which the log gets at info.
package proxy
