package mux

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// lateLock runs before at its next Lock, as another holder would whom that Lock
// had to wait for.
type lateLock struct {
	sync.Mutex
	before func()
}

func (l *lateLock) Lock() {
	l.Mutex.Lock()
	if before := l.before; before != nil {
		l.before = nil
		before()
	}
}

// A timer that has fired can still be waiting for the lock when the deadline is
// replaced: it must not end the new one.
func TestReplacedDeadlineDoesNotPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d deadline
		lock := new(lateLock)
		wake := sync.NewCond(lock)
		fired := false
		lock.Lock()
		d.set(time.Now().Add(time.Second), wake)
		lock.before = func() {
			fired = true
			d.set(time.Now().Add(time.Hour), wake)
		}
		lock.Unlock()
		passed := func() bool {
			synctest.Wait()
			lock.Mutex.Lock()
			defer lock.Mutex.Unlock()
			return d.passed
		}

		time.Sleep(time.Second)
		if got := passed(); got || !fired {
			t.Errorf("new deadline passed: %v, old timer fired: %v, want false and true", got, fired)
		}
		time.Sleep(time.Hour)
		if !passed() {
			t.Error("new deadline has not passed after an hour")
		}
	})
}
