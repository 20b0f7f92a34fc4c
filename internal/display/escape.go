package display

import (
	"fmt"
	"io"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Escaping writes to w what it gets, with an escape (\u001b) in place of each control
// or format character but line feed and tab: what a terminal would obey, or what turns
// or hides the text around it. JSON reads such an escape as the character that it
// means. A character must not be divided between two writes.
func Escaping(w io.Writer) io.Writer { return escaping{w} }

type escaping struct{ w io.Writer }

func (e escaping) Write(p []byte) (int, error) {
	n, err := e.w.Write(escape(p))
	if err == nil || n > len(p) {
		n = len(p)
	}
	return n, err
}

// escape returns p itself where nothing is to be escaped, as nearly always.
func escape(p []byte) []byte {
	for i := 0; i < len(p); {
		r, size := utf8.DecodeRune(p[i:])
		if !shown(r, size) {
			return escapeFrom(p, i)
		}
		i += size
	}
	return p
}

func escapeFrom(p []byte, i int) []byte {
	out := append(make([]byte, 0, len(p)+16), p[:i]...)
	for i < len(p) {
		r, size := utf8.DecodeRune(p[i:])
		switch high, low := utf16.EncodeRune(r); {
		case shown(r, size):
			out = append(out, p[i:i+size]...)
		case r == utf8.RuneError:
			out = fmt.Appendf(out, `\x%02x`, p[i])
		case high != unicode.ReplacementChar:
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		i += size
	}
	return out
}

// shown reports whether a character may be written as it is.
func shown(r rune, size int) bool {
	if r == utf8.RuneError {
		return size > 1 // it was one before
	}
	return r == '\n' || r == '\t' || unicode.IsPrint(r) || unicode.Is(unicode.Zs, r)
}
