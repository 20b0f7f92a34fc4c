package page

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/internal/status"
)

// line makes a string of whatever type fit to be shown.
func line(s any) string { return display.Line(fmt.Sprint(s)) }

// bytesOf, rate and span write numbers as `pgkeyless status` does.
func bytesOf(n int64) string { return status.Bytes(float64(max(0, n))) }

func rate(n float64) string { return status.Bytes(finite(n)) + "/s" }

func span(seconds float64) string {
	const most = 1e9 // 31 years, within a time.Duration
	if math.IsNaN(seconds) {
		return status.Span(0)
	}
	return status.Span(max(-most, min(most, seconds)))
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
