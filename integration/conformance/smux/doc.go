// Package smux holds the tunnel's mux against the server of the genuine library,
// xtaci/smux, which is what the agent runs. It has tests only.
package smux
