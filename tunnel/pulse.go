package tunnel

import "time"

const (
	// pulseEvery is how often a socket is looked at. A machine that wakes from
	// sleep notices within this time.
	pulseEvery = 2 * time.Second

	// pingEvery is below the 30 to 60 s after which proxies and NATs forget an
	// idle connection.
	pingEvery = 24 * time.Second

	// quietAfter: when nothing has arrived for this long after messages went
	// either way, the silence is looked into. With deadAfter and pulseEvery a
	// socket that dies while it is used is given up within 15 s.
	quietAfter = 3 * time.Second

	// deadAfter is how long after a ping a socket may stay without a sign of life.
	deadAfter = 10 * time.Second

	// wakeAfter is how much late a look may be on a busy machine. Later, or with
	// the wall clock ahead by as much, the machine has slept.
	wakeAfter = 3 * time.Second

	// deadAfterSleep is deadAfter when the connection is probably lost already.
	deadAfterSleep = 5 * time.Second
)

// pulse decides when a socket is pinged: regularly, when traffic falls silent,
// and at once after the machine's sleep. Not safe for concurrent use.
type pulse struct {
	looked   time.Time
	wall     time.Time // the wall clock then: sleep may stop the other
	pinged   time.Time
	heard    time.Time // when arrivals were seen to have grown
	arrivals int64
	traffic  int64 // at the latest ping
}

func newPulse(now, wall time.Time) pulse {
	return pulse{looked: now, wall: wall.Round(0), pinged: now, heard: now}
}

// look says within which time a sign of life must come of a ping sent now; 0:
// no ping is due. arrivals counts whatever has come, traffic the messages both
// ways.
func (p *pulse) look(now, wall time.Time, arrivals, traffic int64) time.Duration {
	latest := pulseEvery + wakeAfter
	slept := now.Sub(p.looked) > latest || wall.Round(0).Sub(p.wall) > latest
	p.rest(now, wall)
	if arrivals != p.arrivals {
		p.arrivals, p.heard = arrivals, now
	}
	within := deadAfter
	switch {
	case slept:
		within = deadAfterSleep
	case now.Sub(p.pinged) >= pingEvery:
	case traffic != p.traffic && now.Sub(p.heard) >= quietAfter:
	default:
		return 0
	}
	p.pinged, p.traffic = now, traffic
	return within
}

// rest is for time spent on a ping: it is not sleep.
func (p *pulse) rest(now, wall time.Time) { p.looked, p.wall = now, wall.Round(0) }
