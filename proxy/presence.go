package proxy

import "net"

// presence is what a socket shows of a client without being read.
type presence int

const (
	present presence = iota // as far as one can see
	sentAll                 // has closed its way to us, and may still read
	gone                    // reset, or closed both ways
)

// arrived says that a Read of c, which nobody else reads, would not wait: bytes have
// come, or the end has. Where that is not known it is false.
func arrived(c net.Conn) bool {
	if knows, ok := c.(interface{ Pending() bool }); ok { // a stream of a tunnel
		return knows.Pending()
	}
	return readable(c)
}
