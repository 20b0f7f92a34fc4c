// Package localca is the certificate authority of one user, with which clients
// verify the listeners of pgkeyless on localhost.
//
//	DIR/ca-key.pem  the CA's key and certificate, for this user alone
//	DIR/ca.pem      the certificate, for clients
//
//	Open ── Authority ── Leaves ──► one short-lived certificate per server name
//
// The directory is the user's own, in the place for state. The key is made with the
// first start and never leaves the file. The CA can vouch for localhost, the names
// beneath it and the loopback addresses, and for nothing else: its name constraints
// are critical, so a client that does not know them refuses it.
package localca
