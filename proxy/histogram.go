package proxy

import (
	"slices"
	"time"
)

// Bounds of the histograms of a RouteSnapshot.
var (
	// loginBounds reach from a login without a tunnel to the default of
	// Config.LoginTimeout.
	loginBounds = []time.Duration{
		5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
		100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
		time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute,
	}
	// sessionBounds reach from a connection per query to a pool's.
	sessionBounds = []time.Duration{
		100 * time.Millisecond, time.Second, 10 * time.Second, time.Minute, 5 * time.Minute, 30 * time.Minute,
		time.Hour, 4 * time.Hour, 24 * time.Hour,
	}
)

// Histogram counts durations. The zero value has no buckets.
type Histogram struct {
	Bounds []time.Duration // upper ones, ascending; the last bucket has none
	Counts []int64         // one more than Bounds; each value is in one of them
	Sum    time.Duration
}

// Count is how many durations there were.
func (h Histogram) Count() int64 {
	var n int64
	for _, c := range h.Counts {
		n += c
	}
	return n
}

func newHistogram(bounds []time.Duration) Histogram {
	return Histogram{Bounds: bounds, Counts: make([]int64, len(bounds)+1)}
}

// observe adds d.
func (h *Histogram) observe(d time.Duration) {
	i, _ := slices.BinarySearch(h.Bounds, d)
	h.Counts[i]++
	h.Sum += d
}

func (h Histogram) clone() Histogram {
	h.Counts = slices.Clone(h.Counts)
	return h
}
