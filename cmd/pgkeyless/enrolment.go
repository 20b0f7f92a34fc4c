package main

import "sync"

// enrolment is what this process has in the registry, until it withdraws. Safe for
// concurrent use: a reload may be under way when a signal comes.
type enrolment struct {
	mu        sync.Mutex
	now       *announcement
	withdrawn bool
}

// renew puts there what register makes of what was there before.
func (e *enrolment) renew(register func(before *announcement) *announcement) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.withdrawn {
		e.now = register(e.now)
	}
}

// withdraw takes it out for good. It may be called again.
func (e *enrolment) withdraw() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.withdrawn {
		e.now.close()
	}
	e.withdrawn = true
}
