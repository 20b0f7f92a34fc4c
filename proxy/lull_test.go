package proxy

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestLull(t *testing.T) {
	type step struct {
		moves int           // sessions that begin or end, evenly
		in    time.Duration // in that time
	}
	tests := []struct {
		name  string
		open  int64
		steps []step
		want  []time.Duration
	}{
		{"nothing moves", 0, []step{{0, time.Hour}}, nil},
		{"few move", 0, []step{{lullMany - 1, time.Second}, {0, time.Hour}}, nil},
		{"many move, and later again", 0, []step{{lullMany, 10 * time.Second}, {0, 50 * time.Second}, {2 * lullMany, 20 * time.Second}, {0, time.Hour}},
			[]time.Duration{12 * time.Second, 82 * time.Second}},
		{"many move without a pause", 0, []step{{100000, time.Hour}}, nil},
		{"many move in the end", 0, []step{{lullMany * 3 / 2, lullMany * 3 / 2 * time.Second}}, []time.Duration{lullMany * time.Second}},
		{"many move among more", 4000, []step{{4000/lullShare - 1, 10 * time.Second}, {0, time.Minute}, {1, time.Second}, {0, time.Minute}},
			[]time.Duration{72 * time.Second}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, done, began := newLull(), make(chan struct{}), time.Now()
				var told []time.Duration
				go l.watch(done, func() int64 { return test.open }, func() { told = append(told, time.Since(began)) })
				for _, s := range test.steps {
					for range s.moves {
						l.moved()
						time.Sleep(s.in / time.Duration(s.moves))
					}
					if s.moves == 0 {
						time.Sleep(s.in)
					}
				}
				close(done)
				synctest.Wait()
				if !slices.EqualFunc(told, test.want, func(a, b time.Duration) bool { return (a - b).Abs() <= lullTime }) {
					t.Errorf("told after %v, want about %v", told, test.want)
				}
			})
		})
	}
}

// Logins and ends both count, and failed logins do not.
func TestServerTellsALull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := 0
		r := newRig(t, func(c *databaseConn) {
			c.logIn()
			c.untilTerminate()
		}, func(cfg *Config) { cfg.Lull = func() { told++ } })
		r.server.lull.moves.Store(lullMany - 3)
		for sessions, want := range []int{0, 0, 1} {
			if sessions > 0 {
				c := r.established()
				c.send(terminate)
				c.Close()
			}
			r.dial().Close()
			time.Sleep(time.Minute)
			synctest.Wait()
			if told != want {
				t.Errorf("after %d sessions more %d lulls were told, want %d", sessions, told, want)
			}
		}
		r.stop()
	})
}
