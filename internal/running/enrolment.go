package running

import "sync"

// Enrolment is what this process has in the registry, until it withdraws. Safe for
// concurrent use: a reload may be under way when a signal comes.
type Enrolment struct {
	mu        sync.Mutex
	now       *announcement
	withdrawn bool
}

// Renew says that this process serves all, in place of what it said before. After
// an error, and once withdrawn, all stays as it is.
func (e *Enrolment) Renew(all []Served) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.withdrawn {
		return nil
	}
	dir, err := defaultSocketDir()
	if err != nil {
		return err
	}
	now, err := registry{dir}.announce(e.now, all)
	if err == nil {
		e.now = now
	}
	return err
}

// Withdraw takes it out for good. It may be called again.
func (e *Enrolment) Withdraw() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.withdrawn {
		e.now.close()
	}
	e.withdrawn = true
}
