package status

import (
	"fmt"
	"math"
	"time"
)

// Bytes writes a number of bytes for people: "0 B", "1.2 kB", "34 MB".
func Bytes(n float64) string {
	if n < 1000 {
		return fmt.Sprintf("%.0f B", math.Round(n))
	}
	for _, unit := range []string{"kB", "MB", "GB", "TB"} {
		n /= 1000
		switch {
		case n < 9.95:
			return fmt.Sprintf("%.1f %s", n, unit)
		case n < 999.5:
			return fmt.Sprintf("%.0f %s", n, unit)
		}
	}
	return fmt.Sprintf("%.0f PB", n/1000)
}

// Span writes a length of time in seconds for people, in its two largest units:
// "3 ms", "12 s", "2 h 13 min".
func Span(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	switch {
	case d < 0:
		return "-" + Span(-seconds)
	case d < time.Millisecond && d > 0:
		return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
	case d.Round(time.Millisecond) < time.Second:
		return fmt.Sprintf("%d ms", d.Round(time.Millisecond).Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < time.Hour:
		return two(int64(d.Minutes()), "min", int64(d.Seconds())%60, "s")
	case d < 24*time.Hour:
		return two(int64(d.Hours()), "h", int64(d.Minutes())%60, "min")
	}
	return two(int64(d.Hours())/24, "d", int64(d.Hours())%24, "h")
}

// two writes two units, the second unless it is zero.
func two(a int64, unit string, b int64, smaller string) string {
	if b == 0 {
		return fmt.Sprintf("%d %s", a, unit)
	}
	return fmt.Sprintf("%d %s %d %s", a, unit, b, smaller)
}

// brief writes a length of time in seconds for a table: "12s", "3m", "2h", "5d".
func brief(seconds float64) string {
	switch s := int64(max(0, seconds)); {
	case s < 100:
		return fmt.Sprintf("%ds", s)
	case s < 100*60:
		return fmt.Sprintf("%dm", s/60)
	case s < 100*3600:
		return fmt.Sprintf("%dh", s/3600)
	default:
		return fmt.Sprintf("%dd", s/86400)
	}
}
