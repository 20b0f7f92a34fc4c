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
		{"few move", 0, []step{{99, time.Second}, {0, time.Hour}}, nil},
		{"many move, and later again", 0, []step{{100, 10 * time.Second}, {0, 50 * time.Second}, {200, 20 * time.Second}, {0, time.Hour}},
			[]time.Duration{12 * time.Second, 82 * time.Second}},
		{"many move without a pause", 0, []step{{100000, time.Hour}}, nil},
		{"many move in the end", 0, []step{{150, 150 * time.Second}}, []time.Duration{100 * time.Second}},
		{"many move among more", 4000, []step{{999, 10 * time.Second}, {0, time.Minute}, {1, time.Second}, {0, time.Minute}},
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
		comeAndGo := func(n int) {
			for range n {
				c := r.established()
				c.send(terminate)
				c.Close()
			}
			for range n {
				r.dial().Close()
			}
			time.Sleep(time.Minute)
			synctest.Wait()
		}
		comeAndGo(lullMany/2 - 1)
		if told != 0 {
			t.Errorf("a lull was told after %d sessions", lullMany/2-1)
		}
		comeAndGo(1)
		if told != 1 {
			t.Errorf("after %d sessions %d lulls were told, want one", lullMany/2, told)
		}
		r.stop()
	})
}
