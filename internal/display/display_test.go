package display

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestLine(t *testing.T) {
	long := strings.Repeat("ä", Most)
	for _, test := range []struct{ s, want string }{
		{"", ""},
		{"plain text, 'quoted' \"twice\" \\ and {braced}", "plain text, 'quoted' \"twice\" \\ and {braced}"},
		{"größer, 日本語, 🐘", "größer, 日本語, 🐘"},
		{"  two\r\nlines\tand \u00a0 spaces\n", "two; lines and spaces"},
		{"red \x1b[31mtext\x07", `red \x1b[31mtext\a`},
		{"a NUL\x00 and DEL\x7f and CSI\u009b1m", `a NUL\x00 and DEL\x7f and CSI\u009b1m`},
		{"pay \u202eeman\u202c and \u2066isolate\u2069, \u200fmark", `pay \u202eeman\u202c and \u2066isolate\u2069, \u200fmark`},
		{"zero\u200bwidth \ufeff", `zero\u200bwidth \ufeff`},
		{"not \xff UTF-8 \xe4", `not \xff UTF-8 \xe4`},
		{"a replacement \ufffd", "a replacement \ufffd"},
	} {
		if got := Line(test.s); got != test.want {
			t.Errorf("Line(%q) = %q, want %q", test.s, got, test.want)
		}
	}
	if got := Line(long); len(got) > Most+len("…") || !utf8.ValidString(got) || !strings.HasSuffix(got, "ä…") {
		t.Errorf("a long text becomes %d bytes, ending in %q", len(got), got[len(got)-8:])
	}
}

func FuzzLine(f *testing.F) {
	for _, s := range []string{"plain", "a\nb", "\x1b[2J", "\u202e", "\xff", strings.Repeat(" x", Most)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := Line(s)
		if again := Line(got); again != got && len(got) < Most {
			t.Errorf("Line(%q) = %q, and once more %q", s, got, again)
		}
		for _, r := range got {
			if r != ' ' && !unicode.IsPrint(r) || !utf8.ValidString(got) {
				t.Errorf("Line(%q) = %q has %q", s, got, r)
			}
		}
		if len(got) > Most+len("…") {
			t.Errorf("%d bytes", len(got))
		}
	})
}

func TestFewNamesTheFirst(t *testing.T) {
	names := []string{"a", "b", "c"}
	for most, want := range map[int]string{1: "a and 2 more", 2: "a, b and 1 more", 3: "a, b, c", 9: "a, b, c"} {
		if got := Few(names, most); got != want {
			t.Errorf("Few(%q, %d) = %q, want %q", names, most, got, want)
		}
	}
}
