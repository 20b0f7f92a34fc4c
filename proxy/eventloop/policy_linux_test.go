package eventloop

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

func TestBusyLoopsAreKnownByTheirEvents(t *testing.T) {
	var p policy
	for _, step := range []struct {
		waits, events int
		batch         bool
		changes       int // in the course of the waits
	}{
		{1000, 1, false, 0},
		{1, 100, true, 1}, // a crowd at once
		{1000, 8, true, 0},
		{1000, 2, true, 0}, // neither
		{1000, 1, false, 1},
		{1000, 2, false, 0}, // neither
		{1000, 4, true, 1},
	} {
		changes := 0
		for range step.waits {
			if p.count(step.events) {
				changes++
			}
		}
		if p.batch != step.batch || changes != step.changes {
			t.Errorf("after %d waits of %d events: batch is %v after %d changes, want %v after %d", step.waits, step.events, p.batch, changes, step.batch, step.changes)
		}
	}
}

// denied reports that the system lets no thread change its policy, as some sandboxes do.
func denied() bool {
	attr, err := unix.SchedGetAttr(0, 0)
	return err != nil || unix.SchedSetAttr(0, attr, 0) != nil
}

// The thread gets the policy and keeps its nice value. Where that is not allowed, it is
// tried once.
func TestPolicyOfTheThreadFollows(t *testing.T) {
	done := make(chan struct{})
	go func() { // its thread ends with it
		defer close(done)
		runtime.LockOSThread()
		if err := unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), 5); err != nil {
			t.Error(err)
		}
		var p policy
		for _, step := range []struct {
			events int
			want   uint32
		}{{8, unix.SCHED_BATCH}, {1, unix.SCHED_NORMAL}, {8, unix.SCHED_BATCH}} {
			for range 100 {
				p.note(step.events)
			}
			if denied() {
				if !p.fixed {
					t.Error("tries again what is not allowed")
				}
				return
			}
			if now, err := unix.SchedGetAttr(0, 0); err != nil || now.Policy != step.want || now.Nice != 5 {
				t.Errorf("with %d events: %+v, %v; want policy %d and nice 5", step.events, now, err, step.want)
			}
		}
	}()
	<-done
}

// Whoever gave pgkeyless another policy meant it.
func TestPolicyThatSomebodySetStays(t *testing.T) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		before := uint32(unix.SCHED_NORMAL)
		if !denied() {
			before = unix.SCHED_IDLE
			if err := unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: before}, 0); err != nil {
				t.Error(err)
			}
		}
		var p policy
		for range 100 {
			p.note(8)
		}
		if now, err := unix.SchedGetAttr(0, 0); err == nil && now.Policy != before {
			t.Errorf("policy %d, want it to stay %d", now.Policy, before)
		}
	}()
	<-done
}
