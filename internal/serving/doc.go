// Package serving runs the proxies of a process: it opens their listeners, says
// where they are, and keeps them until a signal or an error.
//
//	Serve ── openFront ── targets.Wiring ──► Routes ─┐
//	          ports, sockets ──► listeners ──────────┴► proxy.Server
//	  live: signals ─ drain, end ·  reload: the config file once more, other Routes
//
// A run goes through three states: opening (a target may have to be looked up
// first), ready, draining. A front is what is served now; a reload makes the next
// one from it and takes over the listeners that stay. Whoever started the process may
// have opened listeners for it (inherited.go), and hears of each state (supervise.go).
package serving
