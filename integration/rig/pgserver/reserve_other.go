//go:build !linux

package pgserver

// reserve finds a port that was free a moment ago: only Linux can keep it so.
func reserve() (port int, release func(), err error) {
	port, err = FreePort()
	return port, func() {}, err
}
