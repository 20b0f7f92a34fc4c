package proxy

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestStalledUploadIsWatched(t *testing.T) {
	tests := []struct {
		name   string
		ask    func(since time.Duration) presence // since the write began
		writes []time.Duration                    // how long each takes
		want   time.Duration                      // when the client counts as gone; 0: never
	}{
		{"a client that is there", func(time.Duration) presence { return present }, []time.Duration{time.Hour}, 0},
		{"one that is gone", func(since time.Duration) presence {
			if since > 59*time.Second {
				return gone
			}
			return present
		}, []time.Duration{time.Hour}, time.Minute},
		{"one that has half-closed", func(time.Duration) presence { return sentAll }, []time.Duration{time.Hour}, stallLook + stallPatience},
		{"one that has half-closed, to a slow database", func(time.Duration) presence { return sentAll }, []time.Duration{20 * time.Second, 29 * time.Second, 31 * time.Second}, 0},
		{"quick writes", func(time.Duration) presence { return gone }, []time.Duration{stallLook - 1, stallLook - 1, stallLook - 1}, 0},
		{"the end is not watched", func(time.Duration) presence { return gone }, nil, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				var left []time.Duration
				w := &stallWatch{
					ask:  func() presence { return test.ask(time.Since(begin)) },
					left: func() { left = append(left, time.Since(begin)) },
				}
				w.begin()
				w.end()
				for _, d := range test.writes {
					w.begin()
					time.Sleep(d)
					w.end()
				}
				time.Sleep(time.Hour)
				if test.want == 0 && len(left) > 0 || test.want > 0 && (len(left) != 1 || left[0] != test.want) {
					t.Errorf("left at %v, want %v", left, test.want)
				}
			})
		})
	}
}
