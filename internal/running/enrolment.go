package running

import "sync"

// Enrolment is what this process has in the registry, until it withdraws. Safe for
// concurrent use: a reload may be under way when a signal comes.
type Enrolment struct {
	mu       sync.Mutex
	now      *announcement
	admin    *Admin
	draining bool
	ended    bool
}

// Administer says where the process can be asked and directed, for every Renew to
// come.
func (e *Enrolment) Administer(at *Admin) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.admin = at
}

// Renew says that this process serves all, in place of what it said before. After
// an error, and once it drains, all stays as it is.
func (e *Enrolment) Renew(all []Served) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.draining || e.ended {
		return nil
	}
	return e.announce(all)
}

// Drain says that nobody new is to be led here. Where the process can be directed,
// that stays in the registry. It may be called again.
func (e *Enrolment) Drain() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.draining || e.ended {
		return nil
	}
	e.draining = true
	if e.admin == nil {
		e.now.close()
		e.now = nil
		return nil
	}
	return e.announce(nil)
}

// announce writes the record; mu is held.
func (e *Enrolment) announce(all []Served) error {
	dir, err := defaultSocketDir()
	if err != nil {
		return err
	}
	now, err := registry{dir}.announce(e.now, all, e.admin)
	if err == nil {
		e.now = now
	}
	return err
}

// Withdraw takes it out for good. It may be called again.
func (e *Enrolment) Withdraw() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.ended {
		e.now.close()
	}
	e.ended = true
}
