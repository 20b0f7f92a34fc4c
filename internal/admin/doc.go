// Package admin is how a running proxy is looked into and directed.
//
//	proxy ─┐                       ┌─ private socket    this user's commands, always on
//	tunnel ├─► Admin.Document ────►┤─ HTTP address      probes, metrics, the page
//	creds ─┘   (internal/status)   └─ admin port        pprof, quitquitquit; loopback only
//	log   ──► Events
//
// An Admin is made at the start of a run, before anything else is open, so that it
// answers while the run starts and while it drains. It takes what it says from
// snapshots, and asks neither AWS nor a database, but for one thing: whose the
// credentials are, once for each profile that a login has used.
//
// Whoever can connect to the HTTP address may read probes and metrics. The page and
// /status.json are for connections of this machine alone, and name clients; what
// changes something takes the private socket, the admin port or the page's token.
package admin
