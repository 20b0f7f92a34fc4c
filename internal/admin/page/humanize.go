package page

import (
	"fmt"
	"html/template"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/display"
)

// functions are what page.html calls.
var functions = template.FuncMap{
	"bytes": bytesOf, "rate": rate, "span": span, "millis": millis, "exact": exact, "count": count, "plural": plural,
	"clock": clock, "zone": zone, "iso": iso, "full": full, "ago": ago, "line": text,
	"moment": momentOf, "copying": copying, "minus": func(n float64) float64 { return -n },
}

// text makes a string of whatever type fit to be shown.
func text(s any) string { return display.Line(fmt.Sprint(s)) }

// bytesOf is a number of bytes in decimal units, as networks count: three digits at
// most, "1.2 MB".
func bytesOf(n int64) string { return scaled(float64(n), "B") }

// rate is bytes a second, "870 kB/s".
func rate(n float64) string { return scaled(n, "B/s") }

func scaled(n float64, unit string) string {
	if n < 0 || math.IsNaN(n) || math.IsInf(n, 0) {
		n = 0
	}
	prefixes := []string{"", "k", "M", "G", "T", "P", "E"}
	i := 0
	for n >= 999.5 && i < len(prefixes)-1 {
		n /= 1000
		i++
	}
	switch {
	case i == 0 || n >= 99.95:
		return fmt.Sprintf("%.0f %s%s", n, prefixes[i], unit)
	case n >= 9.995:
		return trimmed(n, 1) + " " + prefixes[i] + unit
	default:
		return trimmed(n, 2) + " " + prefixes[i] + unit
	}
}

// trimmed has no zeros at its end.
func trimmed(n float64, digits int) string {
	return strings.TrimSuffix(strings.TrimRight(strconv.FormatFloat(n, 'f', digits, 64), "0"), ".")
}

// span is a number of seconds in its two largest units: "4 s", "3 min 12 s", "2 d 5 h".
func span(seconds float64) string {
	sign := ""
	if seconds < 0 {
		sign, seconds = "−", -seconds
	}
	s := int64(min(seconds, 1e11) + 0.5)
	for _, u := range []struct {
		size, next       int64
		name, smallerOne string
	}{{86400, 3600, "d", "h"}, {3600, 60, "h", "min"}, {60, 1, "min", "s"}} {
		if s < u.size {
			continue
		}
		text := fmt.Sprintf("%s%d %s", sign, s/u.size, u.name)
		if rest := s % u.size / u.next; rest > 0 {
			text += fmt.Sprintf(" %d %s", rest, u.smallerOne)
		}
		return text
	}
	return fmt.Sprintf("%s%d s", sign, s)
}

// millis is a short time, "0.4 ms", "340 ms", "1.2 s".
func millis(seconds float64) string {
	switch ms := seconds * 1000; {
	case ms <= 0:
		return "0 ms"
	case ms < 0.1:
		return "under 0.1 ms"
	case ms < 9.95:
		return trimmed(ms, 1) + " ms"
	case ms < 999.5:
		return fmt.Sprintf("%.0f ms", ms)
	default:
		return trimmed(seconds, 2) + " s"
	}
}

// exact is a number as it is, for a title.
func exact(n any) string {
	switch n := n.(type) {
	case int64:
		return count(n) + " bytes"
	case float64:
		return strconv.FormatFloat(n, 'f', -1, 64) + " s"
	}
	return fmt.Sprint(n)
}

// count groups thousands by a thin space that does not break.
func count(n int64) string {
	text := strconv.FormatInt(n, 10)
	digits := strings.TrimPrefix(text, "-")
	var b strings.Builder
	b.WriteString(text[:len(text)-len(digits)])
	for i, r := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteRune('\u202f')
		}
		b.WriteRune(r)
	}
	return b.String()
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return count(int64(n)) + " " + noun + "s"
}

// clock is a time of day where this machine is, with its date unless that is now's.
func clock(now, t time.Time) string {
	now, t = now.Local(), t.Local()
	if now.YearDay() != t.YearDay() || now.Year() != t.Year() {
		return t.Format("2 Jan 15:04")
	}
	return t.Format(time.TimeOnly)
}

// zone names the zone of clock.
func zone(now time.Time) string { return now.Local().Format("MST (UTC-07:00)") }

func iso(t time.Time) string  { return t.UTC().Format(time.RFC3339Nano) }
func full(t time.Time) string { return t.Local().Format("2 January 2006, 15:04:05 MST") }

// ago is how long t is past.
func ago(now, t time.Time) string { return span(max(0, now.Sub(t).Seconds())) }
