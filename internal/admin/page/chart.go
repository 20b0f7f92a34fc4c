package page

import (
	"fmt"
	"math"
	"strings"

	"github.com/pgkeyless/pgkeyless/internal/status"
)

// The box of a chart, in units of its own: the picture is stretched to its place.
const (
	chartWidth  = 300
	chartHeight = 60
	chartTop    = 4 // so that a line at the peak is seen whole
)

// chart is the rates of the last minutes: down as an area, up as a line.
type chart struct {
	Area, Line string // SVG paths; empty when there is no history yet
	Edge       string // upper edge of Area
	Peak       string // the highest rate, which the top of the picture is
	Says       string // the picture in words
	Covers     string // the time that its width is
	Quiet      bool   // nothing has moved
}

// chartOf draws history, of which the last is now.
func chartOf(t status.Traffic) chart {
	history := t.History
	if len(history) > status.HistoryLength {
		history = history[len(history)-status.HistoryLength:]
	}
	peak := 0.0
	for _, r := range history {
		peak = max(peak, finite(r.Up), finite(r.Down))
	}
	c := chart{Peak: rate(peak), Quiet: peak == 0, Covers: span(status.HistoryLength * status.HistoryStep.Seconds())}
	if len(history) < 2 {
		c.Quiet = true
	} else {
		c.Edge = path(history, func(r status.Rate) float64 { return r.Down }, peak)
		first := chartWidth - float64(len(history)-1)*stepWidth
		c.Area = c.Edge + fmt.Sprintf("L%d %d L%.1f %d Z", chartWidth, chartHeight, first, chartHeight)
		c.Line = path(history, func(r status.Rate) float64 { return r.Up }, peak)
	}
	c.Says = fmt.Sprintf("Traffic of the last %s: now %s down and %s up", c.Covers, rate(t.DownNow), rate(t.UpNow))
	if c.Quiet {
		c.Says += ", nothing before"
	} else {
		c.Says += ", at most " + c.Peak
	}
	return c
}

const stepWidth = float64(chartWidth) / (status.HistoryLength - 1)

// path is a line through what of each rate, the latest at the right edge.
func path(history []status.Rate, of func(status.Rate) float64, peak float64) string {
	var b strings.Builder
	for i, r := range history {
		x := chartWidth - float64(len(history)-1-i)*stepWidth
		y := float64(chartHeight)
		if peak > 0 {
			y -= finite(of(r)) / peak * (chartHeight - chartTop)
		}
		command := "L"
		if i == 0 {
			command = "M"
		}
		fmt.Fprintf(&b, "%s%.1f %.1f ", command, x, y)
	}
	return b.String()
}

// finite is n, or 0 where that is no height.
func finite(n float64) float64 {
	if n < 0 || math.IsNaN(n) || math.IsInf(n, 0) {
		return 0
	}
	return n
}

// part is a piece of a bar that is 100 wide.
type part struct {
	Name     string
	X, Width float64
	Took     float64 // seconds
	Color    int     // 1 to 6
}

// bar lays out the stages of a login by their time.
func bar(stages []status.Stage) []part {
	total := 0.0
	for _, s := range stages {
		total += finite(s.Took)
	}
	var all []part
	x := 0.0
	for i, s := range stages {
		width := 0.0
		if total > 0 {
			width = finite(s.Took) / total * 100
		}
		all = append(all, part{Name: s.Name, X: x, Width: width, Took: s.Took, Color: i%6 + 1})
		x += width
	}
	return all
}
