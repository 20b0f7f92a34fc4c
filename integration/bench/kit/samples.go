package kit

import (
	"math"
	"slices"
)

// Samples are what was measured, by side and name.
type Samples map[string][]float64

// Add notes one value.
func (s Samples) Add(side, name string, value float64) {
	key := side + " " + name
	s[key] = append(s[key], value)
}

// Of is every value noted, in order.
func (s Samples) Of(side, name string) []float64 { return s[side+" "+name] }

// Numbers are by key; NaN stands for what is not there.
type Numbers map[string]float64

// Set leaves out what is no number: JSON knows none.
func (n Numbers) Set(key string, value float64) {
	if !math.IsNaN(value) && !math.IsInf(value, 0) {
		n[key] = value
	}
}

// Get is NaN for a key that is not there.
func (n Numbers) Get(key string) float64 {
	if v, ok := n[key]; ok {
		return v
	}
	return math.NaN()
}

// Median is NaN of none.
func Median(v []float64) float64 { return Percentile(v, 50) }

// Percentile interpolates between the two nearest values; NaN of none.
func Percentile(v []float64, p float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	v = slices.Sorted(slices.Values(v))
	at := p / 100 * float64(len(v)-1)
	low := int(at)
	high := min(low+1, len(v)-1)
	return v[low] + (at-float64(low))*(v[high]-v[low])
}

// Sum is zero of none.
func Sum(v []float64) (total float64) {
	for _, x := range v {
		total += x
	}
	return total
}

// Mean is NaN of none.
func Mean(v []float64) float64 { return Sum(v) / float64(len(v)) }
