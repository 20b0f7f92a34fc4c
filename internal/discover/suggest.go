package discover

import (
	"cmp"
	"slices"
	"strings"
)

// maxSuggestions is how many near names are worth reading.
const maxSuggestions = 3

// similar returns the names that name was probably meant to be, the nearest
// first: those that share half of their pairs of letters with it or more, by
// Dice's coefficient.
func similar(name string, names []string) []string {
	type scored struct {
		name  string
		score float64
	}
	var near []scored
	for _, n := range slices.Compact(slices.Sorted(slices.Values(names))) {
		if s := likeness(strings.ToLower(name), strings.ToLower(n)); s >= 0.5 {
			near = append(near, scored{n, s})
		}
	}
	slices.SortStableFunc(near, func(a, b scored) int { return cmp.Compare(b.score, a.score) })
	var best []string
	for _, s := range near[:min(len(near), maxSuggestions)] {
		best = append(best, s.name)
	}
	return best
}

// likeness is 1 for the same pairs of letters and 0 for none in common. Ends
// count as letters, so that short names have pairs too.
func likeness(a, b string) float64 {
	pairs := map[string]int{}
	a, b = "^"+a+"$", "^"+b+"$"
	for i := range len(a) - 1 {
		pairs[a[i:i+2]]++
	}
	common := 0
	for i := range len(b) - 1 {
		if pairs[b[i:i+2]] > 0 {
			pairs[b[i:i+2]]--
			common++
		}
	}
	return float64(2*common) / float64(len(a)+len(b)-2)
}
