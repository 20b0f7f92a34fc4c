package mux

import (
	"sync"
	"time"
)

// deadline says whether a point in time has passed, and wakes those who wait for
// something else when it does. The mutex of wake guards it.
type deadline struct {
	timer  *time.Timer
	passed bool
}

// set replaces the point in time; the zero time means never.
func (d *deadline) set(t time.Time, wake *sync.Cond) {
	d.stop()
	d.passed = false
	if t.IsZero() {
		return
	}
	wait := time.Until(t)
	if wait <= 0 {
		d.passed = true
		wake.Broadcast()
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(wait, func() {
		wake.L.Lock()
		defer wake.L.Unlock()
		if d.timer == timer { // not replaced meanwhile
			d.passed = true
			wake.Broadcast()
		}
	})
	d.timer = timer
}

// stop lets go of the timer.
func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}
