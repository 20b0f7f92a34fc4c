// Package access finds out who a client is, and says who may connect.
//
//	Unix socket        the kernel names the process: SO_PEERCRED, LOCAL_PEERCRED
//	TCP on loopback    the system's table of sockets names the owner of the client's
//	TCP from elsewhere nobody can tell
//
// A client on loopback must belong to the user who runs pgkeyless, to root, or to
// one of those whom the user lets in: Rule. Clients from elsewhere, or all of them, can
// prove who they are instead; each way is a proxy.Proof:
//
//	Passwords     SCRAM-SHA-256, against the verifiers of a file
//	Certificates  a client certificate, by a file of CAs
//	Kubernetes    a service-account token, by an API server or the issuer's keys
package access
