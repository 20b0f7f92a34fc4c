// Command pgkeyless lets PostgreSQL clients reach private Amazon RDS and Aurora
// databases on localhost, without a password.
//
//	args, environment ─ config.Load ─→ Targets ─ wire ─→ proxy.Routes ─ listen ─┐
//	                                                                            ├─→ proxy.Server
//	signals ─────────────────────────────────────────────────────────── live ───┘
//
// run is the whole program but for the process: it returns the exit code. It
// owns, in this order, the SSM sessions (wiring), the listeners until the Server
// has them, and the Server; live ends the Server, and closing the wiring ends
// the SSM sessions, also after the second signal.
//
// With a config file, SIGHUP makes reloading read everything again and open a
// second front over the ports of the first (ports.go); proxy.Server.Replace
// exchanges them at once. What is wrong changes nothing.
//
// Only wire.go knows every package. Output for machines goes to stdout; all
// else, the ready lines among it, to stderr.
package main
