package proxy

import (
	"sync/atomic"
	"time"
)

const (
	// lullTime is longer than the pauses of programs that connect one after the
	// other.
	lullTime = 2 * time.Second
	// lullFew is how many sessions may begin or end in a lull of that length:
	// those of somebody who asks every second whether all is well.
	lullFew = 4
	// lullMany is how many must have before. So many logins leave about 6 MB: of
	// fewer there is nothing worth a word.
	lullMany = 500
	// lullShare of the open sessions must have, too, since what is done in a lull
	// may take time for each of them.
	lullShare = 4
)

// lull notices when a busy time is over, in which many sessions have begun or
// ended. Its methods are safe for concurrent use.
type lull struct {
	moves atomic.Int64
	woken chan struct{} // has room for one: something has moved
}

func newLull() *lull { return &lull{woken: make(chan struct{}, 1)} }

// moved is called when a session has begun or ended.
func (l *lull) moved() {
	l.moves.Add(1)
	select {
	case l.woken <- struct{}{}:
	default:
	}
}

// watch calls f once after each busy time, until done is closed. open tells how
// many sessions there are.
func (l *lull) watch(done <-chan struct{}, open func() int64, f func()) {
	for {
		select {
		case <-l.woken:
		case <-done:
			return
		}
		for busy := true; busy; {
			before := l.moves.Load()
			select {
			case <-time.After(lullTime):
			case <-done:
				return
			}
			busy = l.moves.Load()-before > lullFew
		}
		if moves := l.moves.Load(); moves >= max(lullMany, open()/lullShare) {
			l.moves.Add(-moves)
			f()
		}
	}
}
