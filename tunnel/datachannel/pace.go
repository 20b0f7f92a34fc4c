package datachannel

import "time"

// Bounds of the pace, in bytes under way. The service tells nothing but
// acknowledges, and its limits are unknown: start near what the official client
// would have under way at 130 ms, and end where 10 MB/s at 100 ms fit. Sixty logins with
// temporary AWS keys send 110 KiB at once, tokens for the most part; with half of
// that to start with, a third of them waited for one more round trip (measured).
const (
	startWindow      = 128 << 10
	minWindow        = 32 << 10
	defaultMaxWindow = 1 << 20

	// A round trip counts as free of queues below twice the least one, but
	// differences under this are noise.
	paceGranularity = 10 * time.Millisecond
)

// pace decides how many bytes may be under way: more while acknowledges come as
// fast as ever, fewer once they do not come in time. It keeps the queue out of
// the service, and bounds what a lost transport makes us send again.
type pace struct {
	limit  int
	most   int
	steady bool // there was a halving: grow by an eighth per window, not by doubling
}

func newPace(most int) pace {
	return pace{limit: min(startWindow, most), most: most}
}

// acked takes one acknowledge: n bytes, their round trip, the least round trip
// so far, and what was under way before it. A window that is not used does not
// grow.
func (p *pace) acked(n, underway int, roundTrip, least time.Duration) {
	if roundTrip > max(2*least, paceGranularity) || underway < p.limit/2 {
		return
	}
	if p.steady {
		n = max(n/8, 1)
	}
	p.limit = min(p.limit+n, p.most)
}

// halve is for a message overdue and for a pause.
func (p *pace) halve() {
	p.steady = true
	p.limit = max(p.limit/2, min(minWindow, p.most))
}
