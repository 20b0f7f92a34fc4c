package proxy

import (
	"errors"
	"sync"
	"time"
)

// A database that is asked for connections faster than it gives them takes some again
// after a while. The logins that it has refused come back one by one, not all at once: at
// half the rate at which Aurora DSQL refills, so that new clients have the other half.
//
// Source: Aurora DSQL user guide, "Cluster quotas and database limits": 100 a second.
const (
	pacePause = 500 * time.Millisecond // before the first
	paceEvery = 20 * time.Millisecond  // between two
	paceMost  = 5 * time.Second        // longest wait; a login that would wait longer is refused
)

// pace says when logins at one Route are repeated. The zero value is ready. It is safe
// for concurrent use.
type pace struct {
	mu   sync.Mutex
	next time.Time
}

// wait is how long a login waits that was refused at now. worth is false where that would
// be more than most; then it takes no other's place.
func (p *pace) wait(now time.Time, most time.Duration) (wait time.Duration, worth bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := now.Add(pacePause)
	if p.next.After(at) {
		at = p.next
	}
	if wait = at.Sub(now); wait > most {
		return 0, false
	}
	p.next = at.Add(paceEvery)
	return wait, true
}

// isTooFast says that the database is asked for connections faster than it gives them.
func isTooFast(err error) bool {
	var said *refusal
	return errors.As(err, &said) && said.code == stateTooFast
}
