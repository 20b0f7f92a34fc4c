package eventloop

import (
	"golang.org/x/sys/unix"
)

const (
	// crowded is how many events a wait gives on average when a loop has become a busy
	// one, and quiet when it is none any more. Between them nothing changes: a change costs
	// a system call.
	crowded = 3
	quiet   = 1.5
	// waits is over how many waits the average goes, roughly.
	waits = 16
)

// policy is the loop's scheduling policy. A loop with many pairs that are busy at once
// becomes a thread of SCHED_BATCH, which the kernel does not let interrupt others as soon
// as something is there to read: it wakes a little later, finds more, and clients and
// database run on for as long. A loop with few is an ordinary thread: nobody else has
// anything to do while it waits for its turn. docs/benchmarks.md has the numbers.
//
// The goroutine that calls note must be locked to its thread. The zero value is ready.
type policy struct {
	mean  float64 // events for each wait
	batch bool
	fixed bool // the thread has another policy, or may not change it
}

// note counts the events of one wait, and changes the thread's policy when they say so.
func (p *policy) note(events int) {
	if change := p.count(events); !change || p.fixed {
		return
	}
	attr, err := unix.SchedGetAttr(0, 0) // with the nice value, which stays
	if err != nil || attr.Policy != policyOf(!p.batch) {
		p.fixed = true // by who started pgkeyless, or by the container
		return
	}
	attr.Policy = policyOf(p.batch)
	p.fixed = unix.SchedSetAttr(0, attr, 0) != nil
}

func policyOf(batch bool) uint32 {
	if batch {
		return unix.SCHED_BATCH
	}
	return unix.SCHED_NORMAL
}

// count reports whether batch has changed.
func (p *policy) count(events int) (changed bool) {
	p.mean += (float64(events) - p.mean) / waits
	before := p.batch
	switch {
	case p.mean > crowded:
		p.batch = true
	case p.mean < quiet:
		p.batch = false
	}
	return p.batch != before
}
