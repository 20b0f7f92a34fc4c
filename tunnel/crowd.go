package tunnel

import (
	"context"
	"slices"
	"time"
)

// A crowd is more dials than sessions can be found for. Where a few come together each
// waits for a session with room, which may be its own. Of a crowd each shares one with
// many in any case, and a login is a few KiB: the session that is up has carried all of
// them by the time that another one has started. So a crowd takes what is up, and the
// sessions that start meanwhile are for who comes next.

// crowdEach dials within a second, for each session that there may be, are not a crowd yet:
// half a session for each is worth a wait, which lasts as long as a session takes to start.
// Parallel downloads come in such numbers; pools and test suites in greater ones.
const crowdEach = 2

// gather is how long a start for a dial that leaves the session that is up to others is put
// off, to see whether a crowd comes, which needs no more sessions. Each start costs the jump
// host a process, while the crowd's logins need its CPU. It is little beside what a start takes.
const gather = 20 * time.Millisecond

// isCrowd says whether so many dials that come together are a crowd.
func (p policy) isCrowd(dials int) bool { return dials > crowdEach*p.most }

// arrived is how many streams of g have been opened within the last second.
func (g *group) arrived(now time.Time) (n int) {
	for _, s := range g.sessions {
		for _, l := range s.loads {
			if now.Sub(l.opened) < weighAfter {
				n++
			}
		}
	}
	return n
}

// callCrowd ends the wait of those who came when the crowd was none yet.
func (g *group) callCrowd() {
	if g.dials() > 0 {
		close(g.crowded)
		g.crowded = make(chan struct{})
	}
}

// stillWanted waits for gather, or for ctx. Then it says whether a dial waits for st, or no
// other start is there for those to come; otherwise st is over.
func (d *Dialer) stillWanted(ctx context.Context, g *group, st *start) bool {
	_ = sleep(ctx, gather) // its end is for the start to report
	d.mu.Lock()
	defer d.mu.Unlock()
	if st.dials > 0 || len(g.starts) == 1 {
		return true
	}
	g.starts = slices.DeleteFunc(g.starts, func(other *start) bool { return other == st })
	close(st.done)
	return false
}
