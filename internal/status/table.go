package status

import (
	"strings"
	"unicode/utf8"
)

// column is one of a table.
type column struct {
	title string
	right bool // numbers
	give  bool // may be cut when the table is too wide
}

// leastWide is how far a column is cut at most.
const leastWide = 8

// table lays rows out under columns, in at most width characters a line as far as
// columns give way.
func table(columns []column, rows [][]string, width int) []string {
	wide := make([]int, len(columns))
	for i, c := range columns {
		wide[i] = utf8.RuneCountInString(c.title)
		for _, row := range rows {
			wide[i] = max(wide[i], utf8.RuneCountInString(row[i]))
		}
	}
	for total(wide) > width {
		widest := -1
		for i, c := range columns {
			if c.give && wide[i] > leastWide && (widest < 0 || wide[i] > wide[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		wide[widest]--
	}
	titles := make([]string, len(columns))
	for i, c := range columns {
		titles[i] = c.title
	}
	lines := []string{line(columns, wide, titles)}
	for _, row := range rows {
		lines = append(lines, line(columns, wide, row))
	}
	return lines
}

// total is the width of a line, with two spaces between columns.
func total(wide []int) int {
	n := 2 * (len(wide) - 1)
	for _, w := range wide {
		n += w
	}
	return n
}

func line(columns []column, wide []int, cells []string) string {
	var b strings.Builder
	for i, c := range columns {
		if i > 0 {
			b.WriteString("  ")
		}
		cell := cut(cells[i], wide[i])
		pad := strings.Repeat(" ", wide[i]-utf8.RuneCountInString(cell))
		if c.right {
			cell = pad + cell
		} else {
			cell += pad
		}
		b.WriteString(cell)
	}
	return strings.TrimRight(b.String(), " ")
}

// cut shortens s to n characters.
func cut(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	runes := []rune(s)
	return string(runes[:n-1]) + "…"
}

// wrap breaks text into lines of at most width characters, at spaces.
func wrap(text string, width int) []string {
	var lines []string
	now := ""
	for _, word := range strings.Fields(text) {
		if now != "" && utf8.RuneCountInString(now)+1+utf8.RuneCountInString(word) > width {
			lines = append(lines, now)
			now = ""
		}
		if now != "" {
			now += " "
		}
		now += word
	}
	return append(lines, now)
}
