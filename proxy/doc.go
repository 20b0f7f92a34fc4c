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
//	  │                    ├── PasswordMessage ──────────────────▶│
//	  │◀───────── AuthenticationOk … ReadyForQuery, unchanged ────┤
//	  │◀──────────────────▶│ relay.go    bytes, unread   ◀───────▶│
//
// Everything up to ReadyForQuery happens under the login deadline, and what
// fails there reaches the client as an ErrorResponse with SQLSTATE, DETAIL and
// HINT. The relay has no deadline: an idle client is normal.
//
// Beside the steps: watch.go learns that a client left while its login goes on,
// message.go reads the database's messages without decoding them, and
// certificate.go makes what clients are shown.
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
// context of Serve ends everything at once.
//
// # What is trusted
//
// The client is trusted to be who may connect to the listener; what it sends is
// bounded and checked. The database is trusted once its certificate is
// verified, for the name in Route.TLS and never for the address dialled: only
// then does it get a StartupMessage, and only a request for a clear-text
// password is answered with the token. What comes before TLS, on either side,
// is read byte-exactly, so nothing that was sent in clear is ever taken for
// something sent inside TLS.
//
// The certificate shown to clients is made in memory and proves nothing: it
// lets clients that insist on TLS connect without settings.
package proxy
