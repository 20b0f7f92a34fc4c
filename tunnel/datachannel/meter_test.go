package datachannel

import (
	"testing"
	"time"
)

func TestMeterForgetsAfterTwoSeconds(t *testing.T) {
	begin := time.Unix(1000, 0)
	type step struct {
		at   time.Duration
		add  int
		want int64
	}
	tests := map[string][]step{
		"never used":         {{0, 0, 0}, {time.Hour, 0, 0}},
		"one burst":          {{0, 100, 100}, {1999 * time.Millisecond, 0, 100}, {2 * time.Second, 0, 0}},
		"late in its slot":   {{0, 0, 0}, {499 * time.Millisecond, 7, 7}, {1900 * time.Millisecond, 0, 7}, {2 * time.Second, 0, 0}},
		"steady":             {{0, 1, 1}, {500 * time.Millisecond, 1, 2}, {time.Second, 1, 3}, {1500 * time.Millisecond, 1, 4}, {2 * time.Second, 1, 4}, {10 * time.Second, 1, 1}},
		"a clock that stops": {{time.Second, 5, 5}, {0, 5, 10}, {time.Second, 5, 15}},
	}
	for name, steps := range tests {
		var m meter
		for _, s := range steps {
			now := begin.Add(s.at)
			m.add(now, s.add)
			if got := m.recent(now); got != s.want {
				t.Errorf("%s: %d bytes at %v, want %d", name, got, s.at, s.want)
			}
		}
	}
}
