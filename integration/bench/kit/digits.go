package kit

import (
	"math"
	"strconv"
)

// Missing is what Digits writes for what was not measured.
const Missing = "–"

// Digits is v with about three significant ones, or all before the point.
func Digits(v float64) string {
	switch a := math.Abs(v); {
	case math.IsNaN(v):
		return Missing
	case a >= 100 || v == math.Trunc(v):
		return strconv.FormatFloat(v, 'f', 0, 64)
	case a >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case a < 0.1:
		return strconv.FormatFloat(v, 'f', 4, 64)
	default:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
}

// Ratio is Digits with a sign behind it.
func Ratio(v float64) string {
	text := Digits(v)
	if text != Missing {
		text += " ×"
	}
	return text
}
