package proxy

// presence is what a socket shows of a client without being read.
type presence int

const (
	present presence = iota // as far as one can see
	sentAll                 // has closed its way to us, and may still read
	gone                    // reset, or closed both ways
)
