// Package slow tells people of what takes long while it still does.
package slow

import "time"

// After calls tell, in a goroutine of its own, should patience pass before stop is
// called. stop must be called once; it waits for a tell that has begun, so that
// none is heard after it.
func After(patience time.Duration, tell func()) (stop func()) {
	done := make(chan struct{})
	timer := time.AfterFunc(patience, func() {
		defer close(done)
		tell()
	})
	return func() {
		if !timer.Stop() {
			<-done
		}
	}
}
