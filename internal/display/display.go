// Package display makes text from elsewhere fit to be shown to people: the
// words of AWS, an agent, a database or a file, inside our messages.
package display

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Most bounds a text, in bytes: IAM refusals, the longest of the useful ones,
// take about 400, and a message of ours holds more than one such text.
const Most = 2048

// Line returns s on one line: lines are joined by a semicolon, and other runs of
// white space are one space each. Control and format characters, those that turn
// the direction of writing among them, and bytes that are not UTF-8 are escaped as
// in Go. What is over Most bytes is cut off. Line(Line(s)) is Line(s).
func Line(s string) string {
	var b strings.Builder
	gap := "" // what goes between what is written and what follows
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		shown := s[i : i+size]
		i += size
		switch {
		case unicode.IsSpace(r):
			switch {
			case b.Len() == 0:
			case r == '\n' || r == '\r':
				gap = "; "
			case gap == "":
				gap = " "
			}
			continue
		case r == utf8.RuneError && size == 1, !unicode.IsPrint(r):
			shown = strings.Trim(strconv.QuoteToASCII(shown), `"`)
		}
		if b.Len()+len(gap)+len(shown) > Most {
			return b.String() + "…"
		}
		b.WriteString(gap + shown)
		gap = ""
	}
	return b.String()
}

// Few joins the first of names, at most so many, and says how many more there are.
func Few(names []string, most int) string {
	if more := len(names) - most; more > 0 {
		return strings.Join(names[:most], ", ") + " and " + strconv.Itoa(more) + " more"
	}
	return strings.Join(names, ", ")
}
