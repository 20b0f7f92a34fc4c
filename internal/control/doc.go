// Package control asks running proxies what they do, and directs them: what the
// commands status, wait, shutdown, disconnect and reload need.
//
//	running.Proxies ──► Remote ──► private socket of a proxy of this user
//	a port          ──► Remote ──► its admin port or HTTP address, where there is no registry
package control
