package tunnel

import (
	"context"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// dialTogether dials n times at the same moment. It returns how many streams each session
// got, and the longest wait.
func dialTogether(t *testing.T, f *fakeAWS, d *Dialer, n int) (streams map[int]int, longest time.Duration) {
	t.Helper()
	conns, waits := make([]net.Conn, n), make([]time.Duration, n)
	var all sync.WaitGroup
	for i := range conns {
		all.Go(func() {
			begin := time.Now()
			conns[i] = dial(t, d)
			waits[i] = time.Since(begin)
		})
	}
	all.Wait()
	streams = map[int]int{}
	for _, c := range conns {
		streams[sessionOf(f, c)]++
		t.Cleanup(func() { c.Close() })
	}
	return streams, slices.Max(waits)
}

// A crowd of which nothing is known takes the session that is up, those of it that came
// first and began to wait included. Fewer wait for their part, and so do those that come
// after heavy streams, or to a tunnel without a session.
func TestCrowdTakesWhatIsUp(t *testing.T) {
	const most, starting = 4, time.Second
	tests := []struct {
		name   string
		cold   bool // there is no session yet
		heavy  int  // streams before
		dials  int  // at once
		waits  bool
		spread int // streams of any one session, at most
		starts int // altogether
	}{
		{"a crowd", false, 0, 50, false, 50, 2},                                        // and a spare one
		{"one less than a crowd", false, 0, crowdEach*most - 1, true, crowdEach, most}, // with the one that is there
		{"a crowd just so", false, 0, crowdEach * most, false, crowdEach * most, 2},
		{"a crowd after heavy streams", false, 2, 50, true, 14, most},
		{"a crowd that finds no session", true, 0, 50, true, 13, most},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeAWS(t)
				slow := false
				f.onStart = func(context.Context, int) error {
					if slow {
						time.Sleep(starting)
					}
					return nil
				}
				d := newTestDialer(t, f, func(c *Config) { c.Sessions = most })
				switch {
				case tt.heavy > 0:
					for range tt.heavy {
						c := dial(t, d)
						defer c.Close()
						for range 3 {
							echo(t, c, 4*heavyBytes)
							time.Sleep(time.Second)
						}
					}
					time.Sleep(10 * time.Second) // nothing is busy any more
				case !tt.cold:
					defer dial(t, d).Close()
				}
				synctest.Wait()
				slow = true
				streams, longest := dialTogether(t, f, d, tt.dials)
				if waited := longest > 0; waited != tt.waits {
					t.Errorf("waited for up to %v, want a wait: %v", longest, tt.waits)
				}
				time.Sleep(starting)
				wantCalls(t, f, tt.starts, 0, 0)
				for _, n := range streams {
					if n > tt.spread {
						t.Errorf("streams by session: %v, want %d at most", streams, tt.spread)
					}
				}
			})
		})
	}
}

// Who waits while a crowd gathers goes with it, and not when a session has started.
func TestCrowdThatGathers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const apart = 5 * time.Millisecond
		f := newFakeAWS(t)
		slow := false
		f.onStart = func(context.Context, int) error {
			if slow {
				time.Sleep(time.Second)
			}
			return nil
		}
		d := newTestDialer(t, f, nil)
		defer dial(t, d).Close()
		synctest.Wait()
		slow = true
		const gathered = (crowdEach*defaultSessions + 1) * apart
		var all sync.WaitGroup
		for i := range 2 * crowdEach * defaultSessions {
			all.Go(func() {
				begin := time.Now()
				c := dial(t, d)
				t.Cleanup(func() { c.Close() })
				if took := time.Since(begin); took > gathered {
					t.Errorf("dial %d took %v, want %v at most", i, took, gathered)
				}
				if n := sessionOf(f, c); n != 1 {
					t.Errorf("dial %d got session %d, want the one that was up", i, n)
				}
			})
			time.Sleep(apart)
		}
		all.Wait()
	})
}
