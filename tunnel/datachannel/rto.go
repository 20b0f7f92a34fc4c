package datachannel

import "time"

// Bounds of the retransmission timeout. The lower one keeps acknowledges that
// are merely late, up to the official client's resend tick and its own timeout,
// from costing a resend; the upper one is how long a path that works again may
// stay unnoticed.
const (
	minRTO         = 200 * time.Millisecond
	maxRTO         = 2 * time.Second
	rtoGranularity = 10 * time.Millisecond // of the peer's clock
)

// rto turns round trips into the time after which a message counts as lost:
// the smoothing of both official peers, with RFC 6298's first sample and
// back-off. Its zero value is ready.
type rto struct {
	smoothed  time.Duration // round trip; 0 before the first sample
	variation time.Duration
	least     time.Duration // smallest sample of this transport: its path without queues
	backoff   uint          // doublings since a sample
}

// sample takes the round trip of a message that was sent once. Those of resent
// messages must not come here: which copy was acknowledged is unknown.
func (r *rto) sample(d time.Duration) {
	d = max(d, 1)
	r.backoff = 0
	if r.least == 0 || d < r.least {
		r.least = d
	}
	if r.smoothed == 0 {
		r.smoothed, r.variation = d, d/2
		return
	}
	r.variation = (3*r.variation + (r.smoothed - d).Abs()) / 4
	r.smoothed = max((7*r.smoothed+d)/8, 1)
}

// expired doubles the timeout until the next sample. New messages get the
// doubled one as well: otherwise a path slower than the timeout would have
// every message resent, and never give a sample.
func (r *rto) expired() {
	if r.timeout() < maxRTO {
		r.backoff++
	}
}

// reset forgets what may be otherwise on a new transport.
func (r *rto) reset() { r.backoff, r.least = 0, 0 }

// timeout is how long to wait for the acknowledge of a message.
func (r *rto) timeout() time.Duration {
	base := minRTO
	if r.smoothed > 0 {
		base = max(minRTO, r.smoothed+max(rtoGranularity, 4*r.variation))
	}
	return min(base<<r.backoff, maxRTO)
}
