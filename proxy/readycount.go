package proxy

import "time"

const (
	// readyWindow is how close clients must come for as many logins to be ready.
	readyWindow = 2 * time.Second
	// readyLife is how long a ready login waits for its client, and how long clients that
	// came together are remembered. Whoever loses the right to log in can still get a
	// session for as long, and a database that would pause is kept awake for as long.
	readyLife = time.Minute
	// maxReady bounds ready logins of one Route.
	maxReady = 64
)

// arrivals counts the clients that log in with one StartupMessage. It holds times for
// maxReady clients at most. The zero value is ready.
type arrivals struct {
	latest   []time.Time // the oldest first
	together []time.Time // together[n-1] is when n were last within readyWindow
}

// note is called for each client. most bounds what wanted returns.
func (a *arrivals) note(now time.Time, most int) {
	if len(a.latest) >= max(most, 2) { // two are for again
		a.latest = append(a.latest[:0], a.latest[1:]...)
	}
	a.latest = append(a.latest, now)
	n := 0
	for _, t := range a.latest {
		if now.Sub(t) <= readyWindow {
			n++
		}
	}
	n = min(n, most)
	for len(a.together) < n {
		a.together = append(a.together, time.Time{})
	}
	for i := range n {
		a.together[i] = now
	}
}

// wanted is how many clients have come within readyWindow lately.
func (a *arrivals) wanted(now time.Time) int {
	n := len(a.together)
	for n > 0 && now.Sub(a.together[n-1]) >= readyLife {
		n--
	}
	return n
}

// again says that at least two clients have come lately, however far apart.
func (a *arrivals) again(now time.Time) bool {
	return len(a.latest) > 1 && now.Sub(a.latest[len(a.latest)-2]) < readyLife
}

// last is when the latest client came.
func (a *arrivals) last() time.Time {
	if len(a.latest) == 0 {
		return time.Time{}
	}
	return a.latest[len(a.latest)-1]
}
